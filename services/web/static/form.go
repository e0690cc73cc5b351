package static

import (
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"strings"
)

const (
	// maxFormFiles bounds what is told about one form.
	maxFormFiles = 1000

	// maxFormHead bounds the header of a field, in bytes, with what multipart.Reader reads ahead. That allows 10 MB by itself.
	maxFormHead = 64 << 10
)

// errFormHead is what a formReader says.
var errFormHead = &refusal{http.StatusRequestHeaderFieldsTooLarge, "the header of a field is too large"}

// formReader is a form, of which no more than left bytes are read, unless that is negative.
type formReader struct {
	io.Reader
	left int
}

func (f *formReader) Read(b []byte) (int, error) {
	if f.left < 0 {
		return f.Reader.Read(b)
	}
	if f.left == 0 {
		return 0, errFormHead
	}
	n, err := f.Reader.Read(b[:min(len(b), f.left)])
	f.left -= n
	return n, err
}

// next returns the next field. What is left of the one before must have been read.
func (f *formReader) next(form *multipart.Reader) (*multipart.Part, error) {
	f.left = maxFormHead
	defer func() { f.left = -1 }()
	return form.NextPart()
}

// saved is a file of a form that is there now.
type saved struct {
	Name string `json:"name"`
	Href string `json:"href"`
	Size int64  `json:"size"`
}

// postForm takes the files of a form into a directory, one after the other. The first that is refused ends it; those
// before it stay, and the answer names them.
func (h *Handler) postForm(w http.ResponseWriter, r *http.Request) error {
	if err := h.crossOrigin.Check(r); err != nil {
		return &refusal{http.StatusForbidden, err.Error()}
	}
	dir, slash, ok := h.localName(r.URL.Path)
	switch {
	case !ok:
		return errName
	case !slash:
		return &refusal{http.StatusBadRequest, "a form goes to a directory: its URL ends with a slash"}
	}
	unhurried(w)
	body := &formReader{r.Body, -1}
	r.Body = io.NopCloser(body) // net/http closes its own
	form, err := r.MultipartReader()
	if err != nil {
		return &refusal{http.StatusUnsupportedMediaType, "send files as multipart/form-data (curl -F file=@NAME URL)"}
	}
	var files []saved
	for {
		field, err := body.next(form)
		if err == io.EOF {
			break
		}
		if err != nil {
			return h.refuseRest(w, r, files, "", bodyFailed(err))
		}
		name := lastElement(field.FileName())
		if name == "" { // a field without a file
			if _, err := io.Copy(io.Discard, field); err != nil {
				return h.refuseRest(w, r, files, "", bodyFailed(err))
			}
			continue
		}
		u := &upload{dir: dir, name: name, replace: h.config.Options.UploadOverwrite, instead: h.config.Options.insteadOf(name)}
		if err := h.storeField(r, u, field, len(files)); err != nil {
			return h.refuseRest(w, r, files, name, err)
		}
		files = append(files, saved{name, h.location(path.Join(dir, name)), u.size})
	}
	if len(files) == 0 {
		return &refusal{http.StatusBadRequest, "no file in the form"}
	}
	h.answerForm(w, r, dir, files)
	return nil
}

func (h *Handler) storeField(r *http.Request, u *upload, field io.Reader, before int) error {
	if before == maxFormFiles {
		return &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d files in one form", maxFormFiles)}
	}
	if err := checkName(u.name, h.config.Options.Hidden); err != nil {
		return err
	}
	limit := int64(h.config.Options.UploadMax)
	if limit == 0 {
		limit = -1
	}
	return h.store(r.Context(), u, field, limit)
}

// refuseRest answers which file of a form was not taken, and which were.
func (h *Handler) refuseRest(w http.ResponseWriter, r *http.Request, files []saved, name string, err error) error {
	var text strings.Builder
	for _, f := range files {
		fmt.Fprintf(&text, "%s: saved\n", visible(f.Name))
	}
	if name != "" {
		text.WriteString(visible(name) + ": ")
	}
	h.refuseUpload(w, r, err, text.String())
	return nil
}

// answerForm sends a browser back to the directory, and tells others what is there now.
func (h *Handler) answerForm(w http.ResponseWriter, r *http.Request, dir string, files []saved) {
	accept, header := r.Header.Get("Accept"), w.Header()
	switch {
	case strings.Contains(accept, "text/html"):
		header.Set("Location", strings.TrimSuffix(h.location(dir), "/")+"/")
		w.WriteHeader(http.StatusSeeOther)
	case strings.Contains(accept, "application/json"):
		header.Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string][]saved{"saved": files}) // the client may have gone
	default:
		header.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusCreated)
		for _, f := range files {
			_, _ = io.WriteString(w, f.Href+"\n")
		}
	}
}

// lastElement takes the directories off the name that a browser sends, whatever system it runs on.
func lastElement(name string) string { return name[strings.LastIndexAny(name, `/\`)+1:] }
