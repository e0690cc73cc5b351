package daemon

import "encoding/json"

// message is the one thing that travels up the status pipe, as a line of JSON. Texts are bytes because a path in them
// need not be UTF-8, and JSON strings would change it.
type message struct {
	Ready      bool
	Code       int
	Text       []byte
	Suggestion []byte
}

func (m message) encode() ([]byte, error) {
	line, err := json.Marshal(m)
	return append(line, '\n'), err
}

// decodeMessage reports false until the line is complete.
func decodeMessage(b []byte) (message, bool) {
	var m message
	if len(b) == 0 || b[len(b)-1] != '\n' || json.Unmarshal(b, &m) != nil {
		return message{}, false
	}
	return m, true
}

func (m message) result() (Result, error) {
	if m.Ready {
		return Result{Text: string(m.Text)}, nil
	}
	return Result{}, &StartError{Code: m.Code, Reason: string(m.Text), Suggestion: string(m.Suggestion)}
}
