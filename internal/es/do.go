package es

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Call is one request.
type Call struct {
	// Op names the operation for errors and logs: "search", "bulk", "put index template". Index is its target.
	Op, Index string
	// Request is any request of esapi.
	Request esapi.Request
	// Decode, if set, receives the whole body of a 2xx answer, valid until it returns. If it fails, the answer counts
	// as damaged and is requested again, so Decode may be called several times.
	Decode func(body []byte) error
	// Head, if set, receives the header of a 2xx answer.
	Head func(http.Header)
	// Once marks requests that must not run twice (creating a key): they are retried only if they cannot have arrived.
	Once bool
	// Smaller means that the caller can ask for less when the server is slow or busy. A Timeout then returns at once,
	// and an Overload after MaxRetries, because the same request would be as slow again.
	Smaller bool
	// Brief means that the answer is not worth a long wait: only MaxRetries apply.
	Brief bool
}

// JSON is a Decode that fills v. Without one of the keys in must the answer counts as damaged.
func JSON(v any, must ...string) func([]byte) error {
	return func(b []byte) error {
		if len(must) > 0 {
			var has map[string]json.RawMessage
			if err := json.Unmarshal(b, &has); err != nil {
				return err
			}
			for _, k := range must {
				if _, ok := has[k]; !ok {
					return fmt.Errorf("it has no %q", k)
				}
			}
		}
		return json.Unmarshal(b, v)
	}
}

// Do sends a request until a complete answer was read by call.Decode or retrying is pointless; retry.go has the rules.
// A request may be sent twice if a connection breaks: give writes an id (bulk create) or a sequence number, or set
// Call.Once. Errors are *Error.
func (c *Client) Do(ctx context.Context, call Call) error {
	b, err := build(ctx, call.Request)
	if err != nil {
		return &Error{Kind: Fatal, Op: call.Op, Index: call.Index, Reason: "make the request: " + oneLine(err.Error()), Err: err}
	}
	return c.repeat(ctx, &call, func() (*Error, http.Header) { return c.try(ctx, &call, b) })
}

// built is a request that can be sent any number of times.
type built struct {
	req  *http.Request
	body []byte
}

// errBuilt stops esapi after it has built the request.
var errBuilt = errors.New("built")

// Perform captures the request instead of sending it.
func (b *built) Perform(req *http.Request) (_ *http.Response, err error) {
	b.req = req
	if req.Body != nil && req.Body != http.NoBody {
		if b.body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	return nil, errBuilt
}

func build(ctx context.Context, r esapi.Request) (*built, error) {
	b := new(built)
	if _, err := r.Do(ctx, b); !errors.Is(err, errBuilt) { //nolint:bodyclose // There is no answer.
		return nil, err
	}
	return b, nil
}

// compatibleWith8 requests the REST API of version 8, which 8.x and 9.x both support.
const compatibleWith8 = "application/vnd.elasticsearch+json;compatible-with=8"

// fresh is a copy of the request to send.
func (b *built) fresh(ctx context.Context) *http.Request {
	req := b.req.Clone(ctx)
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Accept", compatibleWith8)
	if len(b.body) > 0 {
		req.Header.Set("Content-Type", compatibleWith8)
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(b.body)), int64(len(b.body))
	}
	return req
}

// try sends a request once. The returned header is that of an error answer.
func (c *Client) try(ctx context.Context, call *Call, b *built) (*Error, http.Header) {
	res, err := c.transport.Perform(b.fresh(ctx))
	if err != nil {
		return c.transportError(ctx, call, err), nil
	}
	defer res.Body.Close()
	body, err := wholeBody(res.Body)
	if err != nil {
		return c.transportError(ctx, call, err), nil
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		e := classifyBody(call.Op, call.Index, res.StatusCode, body)
		if e.Type == "" {
			notElasticsearch(e, res.Header)
		}
		if e.Type == "media_type_header_exception" {
			e.Hint = "Elasticsearch 8 or newer is needed"
		}
		return e, res.Header
	}
	if res.Header.Get("X-Elastic-Product") != "Elasticsearch" {
		e := &Error{Kind: NotElasticsearch, Op: call.Op, Index: call.Index, Status: res.StatusCode}
		notElasticsearch(e, res.Header)
		return e, res.Header
	}
	if call.Head != nil {
		call.Head(res.Header)
	}
	if call.Decode == nil {
		return nil, nil
	}
	if err := call.Decode(body); err != nil {
		if own := (*Error)(nil); errors.As(err, &own) {
			if own.Op == "" {
				own.Op, own.Index = call.Op, call.Index
			}
			return own, res.Header
		}
		return &Error{Kind: Retryable, Op: call.Op, Index: call.Index, Status: res.StatusCode, Reason: "read the answer: " + oneLine(err.Error()), Err: err,
			Hint: "something between here and the cluster damages answers"}, res.Header
	}
	return nil, nil
}

// notElasticsearch explains an answer that is not Elasticsearch's. Gateway errors stay as they are: a proxy returns
// them for a node that is down.
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

// wholeBody returns the bytes that the attempt layer has already read.
func wholeBody(r io.Reader) ([]byte, error) {
	if b, ok := r.(*body); ok {
		return b.bytes(), nil
	}
	var buf bytes.Buffer
	_, err := buf.ReadFrom(r)
	return buf.Bytes(), err
}
