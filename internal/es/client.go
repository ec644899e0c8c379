package es

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// The defaults of Config.
const (
	DefaultTimeout    = 60 * time.Second
	DefaultMaxRetries = 4
	DefaultBackoffMin = 250 * time.Millisecond
	DefaultBackoffMax = 15 * time.Second
)

// Config says where the cluster is, how to prove who we are, and how patient to be.
type Config struct {
	// Addresses are the nodes' URLs ("https://manager:9200"); at least one. A user and password in a URL are taken as
	// Username and Password when those are empty, and never shown again.
	Addresses []string
	// CAFile names a PEM file of the authorities to trust; CACert holds the PEM itself. Empty both: the system's.
	CAFile string
	CACert []byte
	// Insecure switches the verification of the server's certificate off. It warns at every start.
	Insecure bool
	// APIKey is the base64 form that Elasticsearch gives as "encoded", or "id:api_key". It wins over Username and Password.
	APIKey, Username, Password string
	// Timeout bounds one attempt, body included; 0 means DefaultTimeout.
	Timeout time.Duration
	// MaxRetries is how often a request is sent again; 0 means DefaultMaxRetries, negative means never.
	MaxRetries int
	// BackoffMin and BackoffMax bound the wait between attempts; 0 means the defaults. BackoffMax also caps what a
	// server may ask for by Retry-After.
	BackoffMin, BackoffMax time.Duration
	// UserAgent names us to the cluster; empty means "dwell".
	UserAgent string
	// Logger hears of retries (debug) and of Insecure (warning); nil means silence.
	Logger *slog.Logger
	// Transport replaces the network, for tests; the TLS settings above are then without effect.
	Transport http.RoundTripper
}

// Validate gives all that is wrong with the configuration, joined, each naming its setting.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Addresses) == 0 {
		errs = append(errs, errors.New("elasticsearch.addresses: give at least one URL, such as https://manager:9200"))
	}
	for _, a := range c.Addresses {
		if _, err := parseAddress(a); err != nil {
			errs = append(errs, err)
		}
	}
	if c.CAFile != "" && len(c.CACert) > 0 {
		errs = append(errs, errors.New("elasticsearch.ca_file: given both as a file and as PEM text"))
	}
	if c.Timeout < 0 || c.BackoffMin < 0 || c.BackoffMax < 0 {
		errs = append(errs, errors.New("elasticsearch.timeout: durations must not be negative"))
	}
	return errors.Join(errs...)
}

// parseAddress reads a node's URL; its errors do not repeat a password.
func parseAddress(a string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(strings.TrimSpace(a), "/"))
	if err != nil {
		return nil, errors.New("elasticsearch.addresses: one address is not a URL; write it like https://manager:9200")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("elasticsearch.addresses: %q is not a URL with http:// or https:// and a host", u.Redacted())
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("elasticsearch.addresses: %q has more than scheme, host and path", u.Redacted())
	}
	return u, nil
}

// Client speaks to one cluster. It is safe for concurrent use.
type Client struct {
	transport *elastictransport.Client
	addresses []string
	timeout   time.Duration
	log       *slog.Logger
	idle      interface{ CloseIdleConnections() }
}

// New makes a client. It does not connect: use [Client.Info] for that.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var urls []*url.URL
	var shown []string
	loopback := true
	for _, a := range cfg.Addresses {
		u, err := parseAddress(a)
		if err != nil {
			return nil, err
		}
		if u.User != nil {
			if cfg.Username == "" && cfg.APIKey == "" {
				cfg.Username = u.User.Username()
				cfg.Password, _ = u.User.Password()
			}
			u.User = nil
		}
		urls, shown = append(urls, u), append(shown, u.String())
		loopback = loopback && isLoopback(u.Hostname())
	}
	base := cfg.Transport
	if base == nil {
		var err error
		if base, err = Network(cfg); err != nil {
			return nil, err
		}
		if cfg.Insecure {
			log.Warn("the server's certificate is not verified (elasticsearch.insecure)", "addresses", shown)
		}
	}
	timeout := cfg.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	rt := retrying(cfg, &attempt{next: base, timeout: timeout, buffers: make(chan *bytes.Buffer, maxKept)}, urls, log)
	agent := cfg.UserAgent
	if agent == "" {
		agent = "dwell"
	}
	tcfg := []elastictransport.Option{
		elastictransport.WithURLs(urls...),
		elastictransport.WithDisableRetry(),
		elastictransport.WithTransport(rt),
		elastictransport.WithUserAgent(agent),
	}
	switch {
	case cfg.APIKey != "":
		key := cfg.APIKey
		if strings.Contains(key, ":") {
			key = base64.StdEncoding.EncodeToString([]byte(key))
		}
		tcfg = append(tcfg, elastictransport.WithAPIKey(key))
	case cfg.Username != "":
		tcfg = append(tcfg, elastictransport.WithBasicAuth(cfg.Username, cfg.Password))
	}
	if !loopback {
		tcfg = append(tcfg, elastictransport.WithCompression())
	}
	t, err := elastictransport.NewClient(tcfg...)
	if err != nil {
		return nil, fmt.Errorf("set up elasticsearch client: %w", err)
	}
	c := &Client{transport: t, addresses: shown, timeout: timeout, log: log}
	c.idle, _ = base.(interface{ CloseIdleConnections() })
	return c, nil
}

// Network makes the transport that New uses when Config.Transport is nil, for tests that put faults in front of it:
// TLS 1.2 or newer, verified; compressed answers only where that pays, which is not on loopback.
func Network(cfg Config) (http.RoundTripper, error) {
	loopback := true
	for _, a := range cfg.Addresses {
		u, err := parseAddress(a)
		if err != nil {
			return nil, err
		}
		loopback = loopback && isLoopback(u.Hostname())
	}
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: cfg.Insecure} //nolint:gosec // Spelled out by the user.
	pem := cfg.CACert
	if cfg.CAFile != "" {
		var err error
		if pem, err = os.ReadFile(cfg.CAFile); err != nil {
			return nil, fmt.Errorf("elasticsearch.ca_file: %w", err)
		}
	}
	if len(pem) > 0 {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("elasticsearch.ca_file: %s holds no PEM certificate", orText(cfg.CAFile, "the given text"))
		}
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       tlsConfig,
		TLSHandshakeTimeout:   10 * time.Second,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    loopback,
	}, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func orText(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

// Addresses are the nodes' URLs, without credentials.
func (c *Client) Addresses() []string { return append([]string(nil), c.addresses...) }

// Close drops idle connections. Requests under way go on.
func (c *Client) Close() {
	if c.idle != nil {
		c.idle.CloseIdleConnections()
	}
}

// Call is one request.
type Call struct {
	// Op says what is tried, for errors and logs: "search", "bulk", "put index template". Index is what it is tried on.
	Op, Index string
	// Request is any request of esapi.
	Request esapi.Request
	// Decode, if set, is given the whole body of a 2xx answer. The bytes are valid until it returns.
	Decode func(body []byte) error
	// Head, if set, is given the header of a 2xx answer.
	Head func(http.Header)
}

// JSON is a Decode that fills v.
func JSON(v any) func([]byte) error {
	return func(b []byte) error { return json.Unmarshal(b, v) }
}

// Do sends one request, again where that is safe and may help, and gives its whole answer to call.Decode. Every
// request may be sent twice when a connection breaks: give writes an id (bulk create) or a sequence number.
// Errors of the server and of the network are *Error; errors of Decode that are not come wrapped in one.
func (c *Client) Do(ctx context.Context, call Call) error {
	ctx, attempts := withAttempts(ctx)
	res, err := call.Request.Do(ctx, compatible{c.transport})
	if err != nil {
		return c.transportError(ctx, call, int(attempts.Load()), err)
	}
	defer res.Body.Close()
	body, err := wholeBody(res.Body)
	if err != nil {
		return c.transportError(ctx, call, int(attempts.Load()), err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		e := classifyBody(call.Op, call.Index, res.StatusCode, body)
		e.Attempts = int(attempts.Load())
		if e.Type == "" {
			notElasticsearch(e, res.Header)
		}
		if e.Type == "media_type_header_exception" {
			e.Hint = "Elasticsearch 8 or newer is needed"
		}
		return e
	}
	if res.Header.Get("X-Elastic-Product") != "Elasticsearch" {
		e := &Error{Kind: NotElasticsearch, Op: call.Op, Index: call.Index, Status: res.StatusCode}
		notElasticsearch(e, res.Header)
		return e
	}
	if call.Head != nil {
		call.Head(res.Header)
	}
	if call.Decode == nil {
		return nil
	}
	if err := call.Decode(body); err != nil {
		if own := (*Error)(nil); errors.As(err, &own) {
			if own.Op == "" {
				own.Op, own.Index = call.Op, call.Index
			}
			return err
		}
		return &Error{Kind: Fatal, Op: call.Op, Index: call.Index, Status: res.StatusCode, Reason: "read the answer: " + oneLine(err.Error()), Err: err}
	}
	return nil
}

// notElasticsearch explains an answer that Elasticsearch would not have given. Gateway errors stay what they are:
// a proxy gives those for a node that is away.
func notElasticsearch(e *Error, h http.Header) {
	if h.Get("X-Elastic-Product") == "Elasticsearch" {
		return
	}
	if e.Kind == Retryable || e.Kind == Overload {
		e.Hint = "a proxy before Elasticsearch seems to have answered"
		return
	}
	if e.Kind != Auth && e.Kind != Permission {
		e.Kind = NotElasticsearch
	}
	switch {
	case h.Get("Kbn-Name") != "" || h.Get("Kbn-License-Sig") != "":
		e.Reason = "this is Kibana, not Elasticsearch"
	default:
		e.Reason = fmt.Sprintf("the answer (%s, %s) is not Elasticsearch's", statusText(e.Status), orText(oneLine(h.Get("Content-Type")), "no content type"))
	}
	e.Hint = "check elasticsearch.addresses: Elasticsearch listens on port 9200, and a proxy or login page may stand before it"
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// compatible asks for the REST API of version 8, which 8.x and 9.x both speak.
type compatible struct{ next esapi.Transport }

const compatibleWith8 = "application/vnd.elasticsearch+json;compatible-with=8"

// Perform sets the headers and passes the request on.
func (t compatible) Perform(req *http.Request) (*http.Response, error) {
	h := make(http.Header, len(req.Header)+2)
	for k, v := range req.Header {
		h[k] = v
	}
	h.Set("Accept", compatibleWith8)
	if req.Body != nil && req.Body != http.NoBody {
		h.Set("Content-Type", compatibleWith8)
	}
	req.Header = h
	return t.next.Perform(req)
}

// wholeBody gives the bytes that the attempt layer has read already.
func wholeBody(r io.Reader) ([]byte, error) {
	if b, ok := r.(*body); ok {
		return b.bytes(), nil
	}
	var buf bytes.Buffer
	_, err := buf.ReadFrom(r)
	return buf.Bytes(), err
}
