package live

import "testing"

func TestSince(t *testing.T) {
	now := version{run: "RUN", number: 7, page: 5}
	tests := []struct{ name, seen, want string }{
		{"the same", "RUN-7", ""},
		{"styles since", "RUN-6", "styles"},
		{"styles since the last page", "RUN-5", "styles"},
		{"a page since", "RUN-4", "page"},
		{"another run", "WALK-7", "page"},
		{"the future", "RUN-8", "page"},
		{"none", "", "page"},
		{"nonsense", "RUN-x", "page"},
		{"huge", "RUN-99999999999999999999999", "page"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := now.since(tt.seen); got != tt.want {
				t.Errorf("%v.since(%q) = %q, want %q", now, tt.seen, got, tt.want)
			}
		})
	}
	if got := now.since(now.String()); got != "" {
		t.Errorf("since(String()) = %q, want nothing", got)
	}
}
