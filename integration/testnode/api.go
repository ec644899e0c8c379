package testnode

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// pollInterval is the polling interval.
const pollInterval = 100 * time.Millisecond

// api is a client for one server and user. It does not use the product's HTTP stack, so that tests of that stack do not
// depend on it.
type api struct {
	url, username, password string
	client                  *http.Client
}

// newAPI returns an api that trusts only the CA in caFile (the system's CAs if empty) and uses no proxy.
func newAPI(url, caFile, username, password string) (*api, error) {
	t := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if caFile != "" {
		text, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA of the test cluster: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read the CA of the test cluster: %s holds no certificate", caFile)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return &api{url: url, username: username, password: password, client: &http.Client{Transport: t}}, nil
}

// do sends one request, with a JSON body unless empty, and decodes the JSON answer into out unless nil. A status of 300
// or more is an error with the start of the answer.
func (a *api) do(ctx context.Context, method, path, body string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if a.username != "" {
		req.SetBasicAuth(a.username, a.password)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err // it names method and address
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %.500s", method, path, resp.Status, text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// until repeats done until it returns nil, ctx ends, or stop is closed. It returns the last error of done.
func until(ctx context.Context, stop <-chan struct{}, done func() error) error {
	for {
		err := done()
		if err == nil {
			return nil
		}
		timer := time.NewTimer(pollInterval)
		select {
		case <-timer.C:
		case <-stop:
			timer.Stop()
			return err
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
	}
}

func (a *api) close() { a.client.CloseIdleConnections() }
