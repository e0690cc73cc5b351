package ftp_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

// TestWordsOfTwistd says what people are told who give options of twistd's ftp that mean nothing here.
func TestWordsOfTwistd(t *testing.T) {
	dir := directory(t, map[string]string{"pw": "alice:secret\n", "unix": "alice:{SHA}ZnO1qqms50ou55fV7zis66aZp6o=\n"})
	t.Chdir(dir)
	tests := []struct {
		name string
		args []string
		want []string // in the error and its hint; none for no error
	}{
		{"memory", []string{"--auth", "memory:alice:secret:bob:secret"}, []string{"--auth memory: there is no such checker", "gtwistd hash-password alice >> passwords", "--auth passwords"}},
		{"memory of a strange name", []string{"--auth", "memory:a b:secret"}, []string{"hash-password NAME >>"}},
		{"anonymous", []string{"--auth", "anonymous"}, []string{"--auth anonymous: there is no such checker", "let in already"}},
		{"anonymous kept out", []string{"--auth", "anonymous", "--anonymous", "off"}, []string{"--anonymous off"}},
		{"sshkey", []string{"--auth", "sshkey"}, []string{"--auth sshkey: there is no such checker", "hash-password NAME"}},
		{"unix, by the old name", []string{"--password-file", "unix:x"}, []string{"--password-file unix: there is no such checker"}},
		{"a file of that name", []string{"--auth", "unix"}, nil},
		{"file", []string{"--auth", "file:pw"}, []string{`--auth "file:pw": `, "plain text"}},
		{"no file", []string{"--auth", "file:nothere"}, []string{`--auth "file:nothere": no such file`}},
		{"no file, by the old name", []string{"--password-file", "nothere"}, []string{`--password-file "nothere": no such file`}},
		{"no log", []string{"--xferlog", filepath.Join("no", "x")}, []string{`x": no such file`}},
		{"help", []string{"--help-auth"}, []string{"--help-auth: there are no checkers", "--auth FILE"}},
		{"help for one", []string{"--help-auth-type=file"}, []string{`--help-auth-type "file": there are no checkers`, "--auth FILE"}},
		{"two files", []string{"--auth", "unix", "--auth", "pw"}, []string{`it is "unix" already`}},
		{"two roots", []string{"-r", ".", "--root", "/"}, []string{`it is "." already`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == nil {
				start(t, plugintest.NewHost(t, "ftp"), append([]string{"--listen", anyPort}, tt.args...)...)
				return
			}
			_, err := makeService(t, plugintest.NewHost(t, "ftp"), append([]string{"--port", "0"}, tt.args...)...)
			if err == nil {
				t.Fatalf("Make(%q) succeeds, want %q", tt.args, tt.want)
			}
			text := err.Error()
			if hinting, ok := err.(interface{ Hint() string }); ok {
				text += "\n" + hinting.Hint()
			}
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("Make(%q) = %s, want %q in it", tt.args, text, want)
				}
			}
			if strings.Contains(text, "secret") || strings.Contains(text, "stat ") {
				t.Errorf("Make(%q) = %s", tt.args, text)
			}
		})
	}
}
