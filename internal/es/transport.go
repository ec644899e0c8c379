package es

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxBody limits an answer: a page of 65,536 buckets is about 15 MB, so larger ones are not Elasticsearch's.
const maxBody = 256 << 20

// attempt sends a request once and reads the whole answer within the timeout, so that the layer above sees a torn or
// stalled body as a failed attempt.
type attempt struct {
	next    http.RoundTripper
	timeout time.Duration
	buffers chan *bytes.Buffer
}

// maxKept is the number of reused buffers, maxKeptBytes the maximum size of each. A sync.Pool would lose them to the
// garbage collector between two pages, and growing to a page's size costs more than reading it.
const (
	maxKept      = 4
	maxKeptBytes = 32 << 20
)

// errTooLong is an answer of more than maxBody bytes.
var errTooLong = fmt.Errorf("the answer is longer than %d bytes", maxBody)

// errAttemptTimeout distinguishes an attempt's own deadline from the caller's.
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
		return nil, errTooLong
	}
	res.Body = &body{r: bytes.NewReader(buf.Bytes()), buf: buf, pool: a.buffers}
	res.ContentLength = n
	return res, nil
}

// CloseIdleConnections is called by http.Client after errors.
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

// body is a complete answer. Close releases its memory.
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

// isTLS reports whether TLS could not be negotiated; retrying does not help.
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
		errors.As(err, &record) || errors.As(err, &alert)
}

// broken reports whether an answer started to arrive. The errors of net/http and the decompressor for damaged answers
// have no common type.
func broken(err error) bool {
	s := err.Error()
	for _, part := range []string{"answer broke off", "malformed", "gzip", "flate", "chunk", "server closed idle connection", "connection reset by peer"} {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// transportError explains a request without an answer.
func (c *Client) transportError(ctx context.Context, call *Call, err error) *Error {
	e := &Error{Kind: Unreachable, Op: call.Op, Index: call.Index, Reason: oneLine(err.Error()), Err: err}
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		dns       *net.DNSError
		record    tls.RecordHeaderError
	)
	switch {
	case ctx.Err() != nil:
		e.Kind, e.Err = Canceled, ctx.Err()
		e.Reason = "given up: " + ctx.Err().Error()
	case errors.Is(err, errTooLong):
		e.Kind = TooBig
		e.Hint = hint(e)
	case errors.Is(err, errAttemptTimeout):
		e.Kind = Timeout
		e.Hint = hint(e)
	case errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/":
		e.Kind, e.Hint = TLS, "the server speaks plain HTTP: write http:// in elasticsearch.addresses"
	case isTLS(err):
		e.Kind = TLS
		switch {
		case errors.As(err, &authority):
			e.Hint = "set elasticsearch.ca_file to the authority that signed the certificate (Security Onion: /etc/pki/ca.crt on the manager)"
		case errors.As(err, &name):
			e.Hint = "use the name or address in the certificate (Security Onion: the node's host name or its IP)"
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
		e.Kind, e.Hint = Retryable, "the connection broke during the answer"
	case broken(err):
		e.Kind, e.Hint = Retryable, "the answer was damaged"
	default:
		e.Hint = "check elasticsearch.addresses and the network between here and there"
	}
	return e
}
