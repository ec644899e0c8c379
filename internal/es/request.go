package es

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Request is a request as sent, so that --dry-run prints exactly that.
type Request struct {
	Method, Path string
	// Body is JSON, empty for none.
	Body []byte
}

// Do sends the request; it implements esapi.Request.
func (r Request) Do(ctx context.Context, t esapi.Transport) (*esapi.Response, error) {
	var body io.Reader = http.NoBody
	if len(r.Body) > 0 {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.Path, body)
	if err != nil {
		return nil, err
	}
	res, err := t.Perform(req)
	if err != nil {
		return nil, err
	}
	return &esapi.Response{StatusCode: res.StatusCode, Header: res.Header, Body: res.Body}, nil
}
