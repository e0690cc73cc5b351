package plugins_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

func TestTLSFlags(t *testing.T) {
	pair := func(cert, key string) plugins.KeyPair { return plugins.KeyPair{Cert: cert, Key: key} }
	for _, tt := range []struct {
		args  string
		named bool
		wrong string
		want  plugins.TLSOptions
	}{
		{"", false, "", plugins.TLSOptions{}},
		{"-c a -c b", true, "", plugins.TLSOptions{Certificates: []plugins.KeyPair{pair("a", ""), pair("b", "")}}},
		{"-c a -k x -c b -k y", true, "", plugins.TLSOptions{Certificates: []plugins.KeyPair{pair("a", "x"), pair("b", "y")}}},
		{"--client-ca ca.pem", true, "", plugins.TLSOptions{ClientCA: "ca.pem"}},
		{"--acme a.example --acme-email m --acme-directory d", true, "", plugins.TLSOptions{ACME: []string{"a.example"}, ACMEEmail: "m", ACMEDirectory: "d"}},
		{"-k x", true, `--privkey "x": there is no --certificate`, plugins.TLSOptions{}},
		{"-c a -c b -k x", true, `--certificate "b": there is no --privkey`, plugins.TLSOptions{}},
		{"--acme-email m", false, `--acme-email "m": no certificate`, plugins.TLSOptions{}},
		{"--acme-directory d", false, `--acme-directory "d": no certificate`, plugins.TLSOptions{}},
	} {
		var flags plugins.TLSFlags
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		flags.Flags(fs, "Port 443 must be open")
		if err := fs.Parse(strings.Fields(tt.args)); err != nil {
			t.Fatalf("%s: %v", tt.args, err)
		}
		err := flags.Check()
		if usage, ok := err.(*plugins.UsageError); ok && (tt.wrong == "" || !strings.HasPrefix(usage.Reason, tt.wrong) || usage.Suggestion == "") || ok != (tt.wrong != "") {
			t.Errorf("%s: Check() = %v, want %q", tt.args, err, tt.wrong)
		}
		if flags.Named() != tt.named {
			t.Errorf("%s: Named() = %v, want %v", tt.args, !tt.named, tt.named)
		}
		tt.want.NextProtos = []string{"p"}
		if got := flags.Options("p"); tt.wrong == "" && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: Options() = %+v, want %+v", tt.args, got, tt.want)
		}
	}
}
