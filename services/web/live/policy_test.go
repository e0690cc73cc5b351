package live

import (
	"testing"
)

func TestAllowScript(t *testing.T) {
	tests := []struct{ name, policy, want string }{
		{"listing", "default-src 'none'; style-src 'unsafe-inline'", "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'"},
		{"nothing about it", "img-src 'none'", "img-src 'none'"},
		{"allowed already", "default-src 'self'", "default-src 'self'; script-src 'self'; connect-src 'self'"},
		{"everything", "default-src *", "default-src *; script-src *; connect-src *"},
		{"script-src", "script-src 'nonce-x' https://cdn", "script-src 'nonce-x' https://cdn 'self'"},
		{"script-src-elem comes first", "script-src 'none'; script-src-elem 'none'", "script-src 'none'; script-src-elem 'self'"},
		{"connect-src", "connect-src 'NONE'; default-src 'unsafe-inline'", "connect-src 'self'; default-src 'unsafe-inline'; script-src 'unsafe-inline' 'self'"},
		{"no sources", "script-src;connect-src ;", "script-src 'self'; connect-src 'self'"},
		{"upper case", "Default-Src 'none'", "Default-Src 'none'; script-src 'self'; connect-src 'self'"},
		{"two policies", "script-src a, connect-src b", "script-src a 'self', connect-src b 'self'"},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := allowScript(tt.policy); got != tt.want {
				t.Errorf("allowScript(%q) =\n%q, want\n%q", tt.policy, got, tt.want)
			}
		})
	}
}

// FuzzAllowScript says that what allows the script already stays as it is.
func FuzzAllowScript(f *testing.F) {
	for _, policy := range []string{"default-src 'none'", "script-src 'self'; connect-src *", ",;, ;", "default-src;default-src x"} {
		f.Add(policy)
	}
	f.Fuzz(func(t *testing.T, policy string) {
		once := allowScript(policy)
		if twice := allowScript(once); twice != once {
			t.Errorf("allowScript(%q) = %q, and of that %q", policy, once, twice)
		}
	})
}
