package es

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// maxBody bounds an answer: a page of 65,536 buckets is about 15 MB, so more than this is not ours.
const maxBody = 256 << 20

// attempt sends a request once and reads the whole answer within the timeout, so that the layer above sees a torn or
// stalled body as what it is: a failed attempt.
type attempt struct {
	next    http.RoundTripper
	timeout time.Duration
	buffers chan *bytes.Buffer
}

// maxKept are the buffers that are used again, and the most bytes that one of them may have. A sync.Pool would lose them to the
// garbage collector between one page and the next, and growing to a page's size costs more than reading it.
const (
	maxKept      = 4
	maxKeptBytes = 32 << 20
)

// errAttemptTimeout tells our own deadline of one attempt from the caller's.
var errAttemptTimeout = errors.New("no complete answer within the request timeout")

// RoundTrip sends req once.
func (a *attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeoutCause(req.Context(), a.timeout, errAttemptTimeout)
	defer cancel()
	res, err := a.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, a.cause(ctx, err)
	}
	defer res.Body.Close()
	buf := new(bytes.Buffer)
	select {
	case buf = <-a.buffers:
		buf.Reset()
	default:
	}
	if res.ContentLength > 0 && res.ContentLength < maxBody {
		buf.Grow(int(res.ContentLength) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return nil, a.cause(ctx, fmt.Errorf("answer broke off after %d bytes: %w", n, err))
	}
	if n > maxBody {
		return nil, fmt.Errorf("answer is longer than %d bytes", maxBody)
	}
	res.Body = &body{r: bytes.NewReader(buf.Bytes()), buf: buf, pool: a.buffers}
	res.ContentLength = n
	return res, nil
}

// CloseIdleConnections is what http.Client calls after errors.
func (a *attempt) CloseIdleConnections() {
	if c, ok := a.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (a *attempt) cause(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errAttemptTimeout) {
		return fmt.Errorf("%w of %s", errAttemptTimeout, a.timeout)
	}
	return err
}

// body is an answer that has arrived in full. Close gives its memory back.
type body struct {
	r    *bytes.Reader
	buf  *bytes.Buffer
	pool chan<- *bytes.Buffer
	once sync.Once
}

func (b *body) Read(p []byte) (int, error) { return b.r.Read(p) }
func (b *body) bytes() []byte              { return b.buf.Bytes() }

// Close returns the buffer to its pool; the bytes must not be used afterwards.
func (b *body) Close() error {
	b.once.Do(func() {
		b.r.Reset(nil)
		buf := b.buf
		b.buf = new(bytes.Buffer)
		if buf.Cap() <= maxKeptBytes {
			select {
			case b.pool <- buf:
			default:
			}
		}
	})
	return nil
}

// retrying puts the one retry layer above next. Retries go round the addresses.
func retrying(cfg Config, next http.RoundTripper, urls []*url.URL, log *slog.Logger) http.RoundTripper {
	rc := retryablehttp.NewClient()
	rc.HTTPClient = &http.Client{
		Transport: next,
		// A redirect is somebody's login page, and must not carry our credentials along.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	rc.Logger = nil
	rc.ErrorHandler = retryablehttp.PassthroughErrorHandler
	rc.RetryMax = cfg.MaxRetries
	switch {
	case cfg.MaxRetries == 0:
		rc.RetryMax = DefaultMaxRetries
	case cfg.MaxRetries < 0:
		rc.RetryMax = 0
	}
	rc.RetryWaitMin, rc.RetryWaitMax = cfg.BackoffMin, cfg.BackoffMax
	if rc.RetryWaitMin == 0 {
		rc.RetryWaitMin = DefaultBackoffMin
	}
	if rc.RetryWaitMax == 0 {
		rc.RetryWaitMax = DefaultBackoffMax
	}
	rc.CheckRetry = checkRetry
	rc.Backoff = backoff
	rc.RequestLogHook = func(_ retryablehttp.Logger, req *http.Request, n int) {
		if a, ok := req.Context().Value(attemptsKey{}).(*atomic.Int32); ok {
			a.Add(1)
		}
		if n > 0 {
			log.Debug("elasticsearch request is sent again", "method", req.Method, "path", req.URL.Path, "retry", n)
		}
	}
	if len(urls) > 1 {
		rc.PrepareRetry = func(req *http.Request) error {
			req.URL = nextAddress(req.URL, urls)
			req.Host = ""
			return nil
		}
	}
	return &retryablehttp.RoundTripper{Client: rc}
}

// nextAddress turns a request to the address after the one it went to.
func nextAddress(u *url.URL, urls []*url.URL) *url.URL {
	for i, a := range urls {
		if a.Host != u.Host || a.Scheme != u.Scheme || !strings.HasPrefix(u.Path, a.Path) {
			continue
		}
		to := urls[(i+1)%len(urls)]
		next := *u
		next.Scheme, next.Host = to.Scheme, to.Host
		next.Path, next.RawPath = to.Path+strings.TrimPrefix(u.Path, a.Path), ""
		return &next
	}
	return u
}

// checkRetry is the allow-list: what it does not know is not sent again.
func checkRetry(ctx context.Context, res *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, nil
	}
	if err != nil {
		return retryableTransport(err), nil
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return false, nil
	}
	b, err := wholeBody(res.Body)
	if err != nil {
		return false, nil
	}
	switch classifyBody("", "", res.StatusCode, b).Kind {
	case Retryable, Overload:
		return true, nil
	case Fatal, TooBig, Timeout, Auth, Permission, NotFound, Mapping, Partial, TLS, Unreachable, NotElasticsearch, ClusterBlock, Conflict, Canceled:
	}
	return false, nil
}

// retryableTransport says which failures of the network may pass: refused, reset and torn connections, dial
// timeouts and temporary name errors. Our own attempt timeout is not among them: the same request would be as slow.
func retryableTransport(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.Is(err, errAttemptTimeout), isTLS(err):
		return false
	case errors.As(err, &dns):
		return dns.IsTemporary || dns.IsTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ECONNREFUSED),
		errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED), errors.Is(err, net.ErrClosed):
		return true
	case errors.As(err, &op):
		return op.Timeout()
	}
	// net/http does not export these.
	s := err.Error()
	return strings.Contains(s, "server closed idle connection") || strings.Contains(s, "connection reset by peer")
}

// isTLS says whether the two sides could not agree on TLS; such errors stay until somebody changes something.
func isTLS(err error) bool {
	var (
		verify    *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	return errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid) ||
		errors.As(err, &record) || errors.As(err, &alert) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// backoff is full jitter: anything between nothing and a limit that doubles, so that many clients spread out. A
// Retry-After is obeyed up to max, since servers ask for an hour at times.
func backoff(lo, hi time.Duration, n int, res *http.Response) time.Duration {
	if res != nil {
		if d, ok := retryAfter(res.Header.Get("Retry-After")); ok {
			return min(d, hi)
		}
	}
	limit := hi
	if n < 32 && lo<<n > 0 && lo<<n < hi {
		limit = lo << n
	}
	return lo/4 + rand.N(limit) //nolint:gosec // Jitter needs no secrets.
}

func retryAfter(h string) (time.Duration, bool) {
	if h == "" {
		return 0, false
	}
	if s, err := strconv.ParseInt(h, 10, 32); err == nil {
		return time.Duration(max(s, 0)) * time.Second, true
	}
	if t, err := http.ParseTime(h); err == nil {
		return max(time.Until(t), 0), true
	}
	return 0, false
}

// attemptsKey is where the number of attempts of one Do travels.
type attemptsKey struct{}

func withAttempts(ctx context.Context) (context.Context, *atomic.Int32) {
	n := new(atomic.Int32)
	return context.WithValue(ctx, attemptsKey{}, n), n
}

// transportError explains a request that got no answer.
func (c *Client) transportError(ctx context.Context, call Call, attempts int, err error) *Error {
	e := &Error{Kind: Unreachable, Op: call.Op, Index: call.Index, Attempts: attempts, Reason: oneLine(err.Error()), Err: err}
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		dns       *net.DNSError
	)
	switch {
	case ctx.Err() != nil:
		e.Kind, e.Err = Canceled, ctx.Err()
		e.Reason = "given up: " + ctx.Err().Error()
	case errors.Is(err, errAttemptTimeout):
		e.Kind = Timeout
		e.Hint = hint(e)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Kind, e.Hint = TLS, "the server speaks plain HTTP: write http:// in elasticsearch.addresses"
	case isTLS(err):
		e.Kind = TLS
		switch {
		case errors.As(err, &authority):
			e.Hint = "set elasticsearch.ca_file to the authority that signed the certificate (Security Onion: /etc/pki/ca.crt on the manager)"
		case errors.As(err, &name):
			e.Hint = "use the name or address that the certificate is made out to (Security Onion: the node's host name or its IP)"
		case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
			e.Hint = "the certificate is expired or not valid yet: renew it, and compare the clocks"
		default:
			e.Hint = "check elasticsearch.ca_file and the server's certificate"
		}
	case errors.As(err, &dns):
		e.Hint = "the host name in elasticsearch.addresses is not known here"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Hint = "nothing listens there: check elasticsearch.addresses, the firewall and that Elasticsearch runs"
	case errors.Is(err, io.EOF) && strings.HasPrefix(c.addresses[0], "http://"):
		e.Hint = "the server closed the connection: if it speaks TLS, write https:// in elasticsearch.addresses"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF):
		e.Kind, e.Hint = Retryable, "the connection broke while the answer came"
	default:
		e.Hint = "check elasticsearch.addresses and the network between here and there"
	}
	return e
}
