package ftp

import (
	"bytes"
	"strings"
)

// cut divides a line into the command, in capitals, and its parameter. Clients send ABOR, STAT and QUIT behind the signals
// of Telnet, which clean has removed.
func cut(line string) (verb, param string) {
	verb, param, _ = strings.Cut(strings.TrimLeft(line, " "), " ")
	return strings.ToUpper(verb), param
}

// oneLine puts a NUL for what ends a line, for some clients a CR alone, too. A NUL that comes back is taken for a newline.
func oneLine(name string) string {
	if !strings.ContainsAny(name, "\r\n") {
		return name
	}
	return strings.NewReplacer("\r", "\x00", "\n", "\x00").Replace(name)
}

// isUrgent says whether a command is worked on while a transfer runs.
func isUrgent(line string) bool {
	verb, param := cut(line)
	return verb == "ABOR" || verb == "STAT" && param == ""
}

// clean removes the end of the line, what Telnet puts before urgent commands (RFC 959 section 4.1.3, RFC 854), and the NUL
// behind a CR (RFC 2640 section 3.1). Any other NUL stands for a newline in a name, as in vsftpd. Under TLS, where nothing is
// urgent, no client doubles a byte 255 in a name: it stands for itself.
func clean(line []byte, secure bool) []byte {
	const iac, will, dont, firstCommand, dataMark = 255, 251, 254, 240, 242
	line = bytes.TrimSuffix(line, []byte("\r"))
	if !bytes.ContainsAny(line, "\xff\r") && !bytes.HasPrefix(line, []byte{dataMark}) {
		return line
	}
	out := make([]byte, 0, len(line))
	for i := 0; i < len(line); i++ {
		b := line[i]
		switch {
		case b == dataMark && len(out) == 0: // its IAC was urgent, and got lost
		case b == '\r':
			if out = append(out, b); i+1 < len(line) && line[i+1] == 0 {
				i++
			}
		case b != iac, secure && len(out) > 0:
			out = append(out, b)
		case i+1 < len(line) && line[i+1] == iac:
			out = append(out, iac)
			i++
		case i+1 < len(line) && line[i+1] >= will && line[i+1] <= dont:
			i += 2
		case i+1 < len(line) && line[i+1] >= firstCommand:
			i++
		}
	}
	return out
}
