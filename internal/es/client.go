package es

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
)

// The defaults of Config.
const (
	DefaultTimeout    = 60 * time.Second
	DefaultMaxRetries = 4
	DefaultBackoffMin = 250 * time.Millisecond
	DefaultBackoffMax = 15 * time.Second
)

// Config is how to reach and authenticate to the cluster, and how long to wait.
type Config struct {
	// Addresses are the nodes' URLs ("https://manager:9200"), at least one. A user and password in a URL are used if
	// Username and Password are empty, and never shown.
	Addresses []string
	// CAFile names a PEM file of trusted authorities; CACert is the PEM itself. If both are empty, the system's are
	// used.
	CAFile string
	CACert []byte
	// Insecure disables verification of the server's certificate. Every start logs a warning.
	Insecure bool
	// APIKey is the base64 form that Elasticsearch returns as "encoded", or "id:api_key". It takes precedence over
	// Username and Password.
	APIKey, Username, Password string
	// Timeout limits one attempt, including the body; 0 means DefaultTimeout.
	Timeout time.Duration
	// MaxRetries is the minimum number of retries; 0 means DefaultMaxRetries, negative means none.
	MaxRetries int
	// Patience is how long to retry, beyond MaxRetries, while the cluster is unreachable or its answers are damaged; it
	// should exceed a node's restart. 0 means only MaxRetries.
	Patience time.Duration
	// BackoffMin and BackoffMax limit the pause between attempts; 0 means the defaults. BackoffMax also caps the
	// server's Retry-After.
	BackoffMin, BackoffMax time.Duration
	// UserAgent identifies dwell to the cluster; empty means "dwell".
	UserAgent string
	// Logger logs retries (debug) and Insecure (warning); nil disables logging.
	Logger *slog.Logger
	// Transport replaces the network, for tests; the TLS settings above then have no effect.
	Transport http.RoundTripper
}

// Validate returns all problems of the configuration, joined, each naming its setting.
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
	if c.Timeout < 0 || c.BackoffMin < 0 || c.BackoffMax < 0 || c.Patience < 0 {
		errs = append(errs, errors.New("elasticsearch.timeout: durations must not be negative"))
	}
	return errors.Join(errs...)
}

// parseAddress parses a node's URL; its errors never contain a password.
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

// Client is a client for one cluster. It is safe for concurrent use.
type Client struct {
	transport *elastictransport.Client
	addresses []string
	timeout   time.Duration
	log       *slog.Logger
	idle      interface{ CloseIdleConnections() }
	spell     spell
	retries   int
	patience  time.Duration
	// backoffMin and backoffMax limit the pauses.
	backoffMin, backoffMax time.Duration
}

// New returns a client. It does not connect; use [Client.Info] for that.
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
	agent := cfg.UserAgent
	if agent == "" {
		agent = "dwell"
	}
	tcfg := []elastictransport.Option{
		elastictransport.WithURLs(urls...),
		elastictransport.WithDisableRetry(),
		elastictransport.WithTransport(&attempt{next: base, timeout: timeout, buffers: make(chan *bytes.Buffer, maxKept)}),
		elastictransport.WithConnectionPoolFunc(func(all []*elastictransport.Connection, _ elastictransport.Selector) elastictransport.ConnectionPool {
			return &rotation{all: all}
		}),
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
	c := &Client{transport: t, addresses: shown, timeout: timeout, log: log, patience: cfg.Patience, retries: cfg.MaxRetries,
		backoffMin: cmp.Or(cfg.BackoffMin, DefaultBackoffMin), backoffMax: cmp.Or(cfg.BackoffMax, DefaultBackoffMax)}
	switch {
	case c.retries == 0:
		c.retries = DefaultMaxRetries
	case c.retries < 0:
		c.retries, c.patience = 0, 0
	}
	c.idle, _ = base.(interface{ CloseIdleConnections() })
	return c, nil
}

// Network returns the transport that New uses if Config.Transport is nil, for tests that inject faults before it. It
// has TLS 1.2 or newer, verified, and compressed answers except on loopback, where they do not pay.
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
			return nil, fmt.Errorf("elasticsearch.ca_file: %s contains no PEM certificate", orText(cfg.CAFile, "the given text"))
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

// Close closes idle connections. Requests under way continue.
func (c *Client) Close() {
	if c.idle != nil {
		c.idle.CloseIdleConnections()
	}
}
