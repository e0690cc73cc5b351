package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// acmeServer is an authority that speaks as much of RFC 8555 as a client needs that does everything right. It believes
// signatures, but it does look at challenges.
type acmeServer struct {
	t         testing.TB
	ca        *authority
	challenge string // type of the challenge it offers
	tlsAddr   string // where a domain's port 443 is
	httpAddr  string // where its port 80 is
	refuse    bool
	*httptest.Server

	mu     sync.Mutex
	orders []*acmeOrder
	emails []string
}

type acmeOrder struct {
	domain      string
	valid       bool // the challenge was met
	certificate []byte
}

func newACMEServer(t testing.TB, challenge string) *acmeServer {
	t.Helper()
	s := &acmeServer{t: t, ca: newAuthority(t), challenge: challenge}
	mux := http.NewServeMux()
	mux.HandleFunc("/directory", s.directory)
	mux.HandleFunc("/nonce", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/account", s.account)
	mux.HandleFunc("/orders", s.newOrder)
	for path, handle := range map[string]func(w http.ResponseWriter, o *acmeOrder, payload []byte, n int){
		"/order/": s.order, "/authz/": s.authz, "/challenge/": s.verify, "/finalize/": s.finalize, "/certificate/": s.download,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			var n int
			_, _ = fmt.Sscan(strings.TrimPrefix(r.URL.Path, path), &n)
			s.mu.Lock()
			o := s.orders[n]
			s.mu.Unlock()
			handle(w, o, payload(r), n)
		})
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Replay-Nonce", "nonce")
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// payload is what a JWS carries (RFC 7515, section 7.2.2).
func payload(r *http.Request) []byte {
	var jws struct{ Payload string }
	_ = json.NewDecoder(r.Body).Decode(&jws)
	data, _ := base64.RawURLEncoding.DecodeString(jws.Payload)
	return data
}

func (s *acmeServer) url(kind string, n int) string { return fmt.Sprintf("%s/%s/%d", s.URL, kind, n) }

func answer(w http.ResponseWriter, code int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *acmeServer) directory(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"newNonce": s.URL + "/nonce", "newAccount": s.URL + "/account", "newOrder": s.URL + "/orders",
		"revokeCert": s.URL + "/revoke", "keyChange": s.URL + "/key",
	})
}

func (s *acmeServer) account(w http.ResponseWriter, r *http.Request) {
	var account struct{ Contact []string }
	_ = json.Unmarshal(payload(r), &account)
	s.mu.Lock()
	s.emails = append(s.emails, account.Contact...)
	s.mu.Unlock()
	w.Header().Set("Location", s.URL+"/account/1")
	answer(w, http.StatusCreated, map[string]any{"status": "valid"})
}

func (s *acmeServer) newOrder(w http.ResponseWriter, r *http.Request) {
	if s.refuse {
		answer(w, http.StatusForbidden, map[string]any{"type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "not yours"})
		return
	}
	var order struct{ Identifiers []struct{ Value string } }
	_ = json.Unmarshal(payload(r), &order)
	s.mu.Lock()
	n := len(s.orders)
	o := &acmeOrder{domain: order.Identifiers[0].Value}
	s.orders = append(s.orders, o)
	s.mu.Unlock()
	w.Header().Set("Location", s.url("order", n))
	answer(w, http.StatusCreated, s.describe(o, n))
}

func (s *acmeServer) describe(o *acmeOrder, n int) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := "pending"
	switch {
	case o.certificate != nil:
		status = "valid"
	case o.valid:
		status = "ready"
	}
	return map[string]any{
		"status": status, "identifiers": []any{map[string]any{"type": "dns", "value": o.domain}},
		"authorizations": []string{s.url("authz", n)}, "finalize": s.url("finalize", n), "certificate": s.url("certificate", n),
	}
}

func (s *acmeServer) order(w http.ResponseWriter, o *acmeOrder, _ []byte, n int) {
	w.Header().Set("Location", s.url("order", n))
	answer(w, http.StatusOK, s.describe(o, n))
}

func (s *acmeServer) status(o *acmeOrder) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.valid {
		return "valid"
	}
	return "pending"
}

func (s *acmeServer) describeChallenge(o *acmeOrder, n int) map[string]any {
	return map[string]any{"type": s.challenge, "url": s.url("challenge", n), "token": fmt.Sprint("token-", n), "status": s.status(o)}
}

func (s *acmeServer) authz(w http.ResponseWriter, o *acmeOrder, _ []byte, n int) {
	answer(w, http.StatusOK, map[string]any{
		"status": s.status(o), "identifier": map[string]any{"type": "dns", "value": o.domain},
		"challenges": []any{s.describeChallenge(o, n)},
	})
}

// verify is called when the client says that it can meet the challenge.
func (s *acmeServer) verify(w http.ResponseWriter, o *acmeOrder, _ []byte, n int) {
	var err error
	if s.challenge == "http-01" {
		err = s.verifyHTTP(o.domain, fmt.Sprint("token-", n))
	} else {
		err = s.verifyTLS(o.domain)
	}
	if err != nil {
		s.t.Errorf("challenge %s: %v", s.challenge, err)
	}
	s.mu.Lock()
	o.valid = err == nil
	s.mu.Unlock()
	answer(w, http.StatusOK, s.describeChallenge(o, n))
}

// verifyTLS goes by RFC 8737, section 3.
func (s *acmeServer) verifyTLS(domain string) error {
	c, err := tls.Dial("tcp", s.tlsAddr, &tls.Config{ServerName: domain, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer c.Close()
	state := c.ConnectionState()
	proof := slices.ContainsFunc(state.PeerCertificates[0].Extensions, func(e pkixExtension) bool {
		return e.Critical && e.Id.String() == "1.3.6.1.5.5.7.1.31"
	})
	if state.NegotiatedProtocol != "acme-tls/1" || !proof {
		return fmt.Errorf("protocol %q, proof %v", state.NegotiatedProtocol, proof)
	}
	return state.PeerCertificates[0].VerifyHostname(domain)
}

// verifyHTTP goes by RFC 8555, section 8.3.
func (s *acmeServer) verifyHTTP(domain, token string) error {
	request, err := http.NewRequest(http.MethodGet, "http://"+s.httpAddr+"/.well-known/acme-challenge/"+token, nil)
	if err != nil {
		return err
	}
	request.Host = domain
	response, err := s.Client().Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), token+".") {
		return fmt.Errorf("%s, %q, %v", response.Status, body, err)
	}
	return nil
}

func (s *acmeServer) finalize(w http.ResponseWriter, o *acmeOrder, payload []byte, n int) {
	var request struct{ CSR string }
	_ = json.Unmarshal(payload, &request)
	der, _ := base64.RawURLEncoding.DecodeString(request.CSR)
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		s.t.Error(err)
		return
	}
	s.mu.Lock()
	o.certificate = s.ca.sign(s.t, csr.PublicKey, 90*24*time.Hour, csr.DNSNames...)
	s.mu.Unlock()
	s.order(w, o, nil, n)
}

func (s *acmeServer) download(w http.ResponseWriter, o *acmeOrder, _ []byte, _ int) {
	w.Header().Set("Content-Type", "application/pem-certificate-chain")
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = w.Write(o.certificate)
}

// ordered are the domains for which certificates were asked for.
func (s *acmeServer) ordered() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, o := range s.orders {
		list = append(list, o.domain)
	}
	return list
}
