package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// A webhook is tried so often more, the first time after a moment and then with twice the pause.
const (
	tries   = 2
	pause   = 2 * time.Second
	patient = 15 * time.Second
)

// CheckWebhook says what is wrong with an address; empty is right. Without TLS only this host may be called.
func CheckWebhook(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("alerts.webhook is not an address as in https://host/path")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("alerts.webhook: http:// is for this host alone: use https://")
	}
	return nil
}

// post sends the alerts. Errors name the host and nothing else of the address, whose path may hold a secret.
func (s *Sender) post(ctx context.Context, body *Body) error {
	b, err := encode(body)
	if err != nil {
		return err
	}
	u, err := url.Parse(s.o.Webhook)
	if err != nil {
		return CheckWebhook(s.o.Webhook)
	}
	c := retryablehttp.NewClient()
	c.Logger, c.ErrorHandler = nil, retryablehttp.PassthroughErrorHandler
	c.RetryMax, c.RetryWaitMin = tries, cmp.Or(s.o.wait, pause)
	c.RetryWaitMax = 16 * c.RetryWaitMin
	c.HTTPClient = &http.Client{Timeout: patient, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: s.tls, TLSHandshakeTimeout: patient, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, s.o.Webhook, b)
	if err != nil {
		return fmt.Errorf("webhook on %s: the request cannot be made", u.Host)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "dwell")
	if s.o.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.o.Token)
	}
	res, err := c.Do(req)
	if err != nil {
		var inner *url.Error // holds the whole address
		for errors.As(err, &inner) {
			err = inner.Err
		}
		return fmt.Errorf("webhook on %s: %w", u.Host, err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // So that the connection is used again.
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return refused{len(body.Alerts), fmt.Errorf("webhook on %s: answered %d: it does not take what dwell sends", u.Host, res.StatusCode)}
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("webhook on %s: answered %d", u.Host, res.StatusCode)
	}
	return nil
}
