package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gtwistd/gtwistd/bench/contest"
)

const (
	userID  = 1 // the user and group "daemon" of Debian, who own nothing and whose home is there
	virtual = "bench"
	python  = "/usr/bin/python3" // Debian's, which its packages are for
)

// caller says how a server is called whose packages are unpacked in a directory.
type caller func(ctx context.Context, root string) ([]string, error)

// find looks for the peers, and says whose figures are left out.
func (b *bench) find(ctx context.Context) {
	b.peers = map[string][]string{}
	for _, peer := range []struct {
		name     string
		packages []string // of Debian, with the libraries that only this peer needs
		call     caller
	}{
		{"vsftpd", []string{"vsftpd", "libwrap0"}, b.daemon("vsftpd")},
		{"pure-ftpd", []string{"pure-ftpd", "pure-ftpd-common"}, b.withUser(b.daemon("pure-ftpd"))},
		{"proftpd", []string{"proftpd-core", "proftpd-mod-crypto", "libhashkit2", "libhiredis0.14", "libmemcached11", "libmemcachedutil2", "libpcre2-posix3"}, b.daemon("proftpd")},
		{"pyftpdlib", []string{"python3-pyftpdlib"}, module},
		{"twistd", nil, twistd},
	} {
		root := b.File(peer.name)
		err := unpack(ctx, root, peer.packages)
		var call []string
		if err == nil {
			call, err = peer.call(ctx, root)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s is not to be had: %v: its figures are left out\n", peer.name, err)
			continue
		}
		b.peers[peer.name] = call
	}
}

// unpack fetches packages and unpacks them in a directory. Installed, the servers would exclude each other, and each would
// start at once.
func unpack(ctx context.Context, root string, packages []string) error {
	if len(packages) == 0 {
		return nil
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	cmd := contest.Outside(ctx, "apt-get", append([]string{"download", "-q"}, packages...)...)
	cmd.Dir = root
	if err := run(cmd); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(root, "*.deb"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := run(exec.CommandContext(ctx, "dpkg", "-x", archive, root)); err != nil {
			return err
		}
	}
	return nil
}

// run has what a command said in its error.
func run(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(out)))
	}
	return err
}

// daemon is a server in C, which becomes another user for each session and takes its ciphers from OpenSSL's file.
func (b *bench) daemon(name string) caller {
	return func(ctx context.Context, root string) ([]string, error) {
		if os.Geteuid() != 0 {
			return nil, errors.New("it wants to be started by root")
		}
		program := filepath.Join(root, "usr/sbin", name)
		if _, err := os.Stat(program); err != nil {
			return nil, err
		}
		call := []string{"env", "OPENSSL_CONF=" + b.File("openssl.cnf")}
		libraries, err := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
		if len(libraries) > 0 {
			call = append(call, "LD_LIBRARY_PATH="+libraries[0])
		}
		if err == nil {
			err = linked(ctx, call, program)
		}
		return append(call, program), err
	}
}

// linked says which libraries a program lacks that its own packages do not bring.
func linked(ctx context.Context, call []string, program string) error {
	out, err := exec.CommandContext(ctx, call[0], append(call[1:len(call):len(call)], "ldd", program)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ldd %s: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "not found") {
			return fmt.Errorf("a library is missing: %s", strings.TrimSpace(line))
		}
	}
	return nil
}

// writeCiphers lets OpenSSL take the cipher of TLS 1.3 that Go's server takes where the processor has AES: all shall do the same.
func (b *bench) writeCiphers() error {
	return os.WriteFile(b.File("openssl.cnf"), []byte(`openssl_conf = bench
[bench]
ssl_conf = ssl
[ssl]
system_default = all
[all]
Ciphersuites = TLS_AES_128_GCM_SHA256
`), 0o644)
}

// withUser makes a user for a server that lets anonymous ones go to one place only, the home of the system's user "ftp". The
// password is hashed as crypt(3) did it in 1979: the hash that the server's own tool makes takes a second for each login.
func (b *bench) withUser(call caller) caller {
	return func(ctx context.Context, root string) ([]string, error) {
		users := b.File("users")
		line := fmt.Sprintf("%s:beXASnuSGSZa.:%[2]d:%[2]d::%s/./::::::::::::\n", virtual, userID, b.Memory.File("site"))
		if err := os.WriteFile(users, []byte(line), 0o600); err != nil {
			return nil, err
		}
		if err := run(exec.CommandContext(ctx, filepath.Join(root, "usr/bin/pure-pw"), "mkdb", users+".pdb", "-f", users)); err != nil {
			return nil, err
		}
		return call(ctx, root)
	}
}

func module(ctx context.Context, root string) ([]string, error) {
	call := []string{"env", "PYTHONPATH=" + filepath.Join(root, "usr/lib/python3/dist-packages"), python}
	err := run(exec.CommandContext(ctx, call[0], append(call[1:], "-c", "import pyftpdlib")...))
	return append(call, "-m", "pyftpdlib"), err
}

func twistd(context.Context, string) ([]string, error) {
	program, err := exec.LookPath("twistd3")
	if err != nil {
		err = fmt.Errorf("%w (Debian package python3-twisted)", err)
	}
	return []string{program}, err
}

// vsftpd is configured as an administrator would for everybody, with a directory for uploads. What is not here is as it
// comes: two processes for each session, in namespaces of their own.
func (b *bench) vsftpd(program []string, s setup, port string) ([]string, error) {
	empty := b.File("empty")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		return nil, err
	}
	text := fmt.Sprintf(`listen=YES
background=NO
listen_address=127.0.0.1
listen_port=%s
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_root=%s
anon_umask=022
ftp_username=daemon
nopriv_user=daemon
secure_chroot_dir=%s
xferlog_enable=YES
xferlog_std_format=YES
xferlog_file=%s
max_clients=0
max_per_ip=0
`, port, b.site, empty, b.xferlog())
	if s.tls {
		text += fmt.Sprintf(`ssl_enable=YES
allow_anon_ssl=YES
rsa_cert_file=%s
rsa_private_key_file=%s
ssl_ciphers=ECDHE-ECDSA-AES128-GCM-SHA256
`, b.File("cert.pem"), b.File("key.pem"))
	}
	config := b.File("vsftpd.conf")
	return append(program, config), os.WriteFile(config, []byte(text), 0o600)
}

// pureFTPd has options instead of a file. Its limits are lifted where they would be in the way.
func (b *bench) pureFTPd(program []string, s setup, port string) []string {
	args := append(program, "-S", "127.0.0.1,"+port, "-H", "-u", "1", "-l", "puredb:"+b.File("users.pdb"), "-O", "xferlog:"+b.xferlog(),
		"-g", b.File("pure-ftpd.pid"), "-L", "20000:8", "-c", "2000", "-C", "2000", "-k", "99", "-U", "133:022")
	if s.tls {
		args = append(args, "-Y", "1", "-2", b.File("cert.pem")+","+b.File("key.pem"))
	}
	return args
}

// proFTPD runs as one daemon, without the delays and look-ups that cost a login most.
func (b *bench) proFTPD(program []string, s setup, port string) ([]string, error) {
	root := b.File("proftpd")
	text := fmt.Sprintf(`ModulePath %[1]s/usr/lib/proftpd
ServerType standalone
DefaultAddress 127.0.0.1
Port %[2]s
SocketBindTight on
UseIPv6 off
UseReverseDNS off
AuthPAM off
UseFtpUsers off
WtmpLog off
User daemon
Group daemon
MaxInstances 2000
PidFile %[3]s/proftpd.pid
ScoreboardFile %[3]s/proftpd.scoreboard
SystemLog %[3]s/log/proftpd.log
TransferLog %[4]s
<IfModule mod_delay.c>
	DelayEngine off
</IfModule>
<Anonymous %[5]s>
	User daemon
	Group daemon
	UserAlias anonymous daemon
	RequireValidShell off
	<Limit WRITE>
		DenyAll
	</Limit>
	<Directory upload>
		<Limit STOR>
			AllowAll
		</Limit>
	</Directory>
</Anonymous>
`, root, port, b.Dir, b.xferlog(), b.site)
	if s.tls {
		text += fmt.Sprintf(`LoadModule mod_tls.c
TLSEngine on
TLSLog %s
TLSECCertificateFile %s
TLSECCertificateKeyFile %s
`, b.File("log/tls.log"), b.File("cert.pem"), b.File("key.pem"))
	}
	config := b.File("proftpd.conf")
	return append(program, "--nodaemon", "--quiet", "--config", config), os.WriteFile(config, []byte(text), 0o600)
}
