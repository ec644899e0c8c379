package intel

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"dwell/internal/atomicfile"
	"dwell/internal/hunt"
)

// Feeds fetches lists over HTTP and keeps the last good copy of each in a directory. If a feed is unreachable or not a
// list, its copy stays.
type Feeds struct {
	// Dir is the directory of the copies, created when needed.
	Dir string
	// Refresh is how long a copy is used without asking the server, MaxAge its maximum age.
	Refresh, MaxAge time.Duration
	// Version goes into the user agent.
	Version string
	// Now is the clock.
	Now func() time.Time

	// wait is the pause before a retry; 0 means feedWait.
	wait time.Duration
}

const (
	// feedTimeout limits one feed including retries, because a hunt waits for the slowest.
	feedTimeout = 90 * time.Second
	feedRetries = 2
	feedWait    = time.Second
)

// copied is the metadata of a copy. It does not contain the URL, which may hold a key.
type copied struct {
	ETag         string    `json:"etag,omitempty"`
	LastModified string    `json:"last_modified,omitempty"`
	SHA256       string    `json:"sha256"`
	Checked      time.Time `json:"checked"` // when the server last confirmed the list
}

// isFeed reports whether a list is a URL.
func isFeed(spec string) bool {
	return strings.HasPrefix(spec, "http://") || strings.HasPrefix(spec, "https://")
}

// feedName is a URL without possible secrets: user, password and query.
func feedName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "a feed with an unreadable address"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// get returns the text of a feed: a fresh one, or the last good copy with a note that says why.
func (f *Feeds) get(ctx context.Context, address, column string) ([]byte, *hunt.Note) {
	note := func(what, hint string) *hunt.Note {
		return &hunt.Note{Where: feedName(address), What: what, Hint: hint}
	}
	if f == nil || f.Dir == "" {
		return nil, note("the feed is not fetched: there is no directory to keep it in", "set state.dir")
	}
	name := sha256.Sum256([]byte(address))
	path := filepath.Join(f.Dir, hex.EncodeToString(name[:16]))
	have, text := f.copy(path)
	age := f.Now().Sub(have.Checked)
	if text != nil && age >= 0 && age < f.Refresh {
		return text, nil
	}
	fresh, got, err := f.fetch(ctx, address, have, text != nil)
	if err == nil && fresh != nil {
		if err = usable(fresh, column); err == nil {
			text = fresh
		}
	}
	if err == nil {
		sum := sha256.Sum256(text)
		got.SHA256, got.Checked = hex.EncodeToString(sum[:]), f.Now().UTC()
		if err := f.keep(path, fresh, got); err != nil {
			return text, note("the feed was fetched but could not be kept: "+err.Error(), "the next hunt fetches it again")
		}
		return text, nil
	}
	switch {
	case text == nil:
		return nil, note("the feed is not used, and there is no copy of it: "+err.Error(), "evidence.intel names it")
	case age > f.MaxAge:
		return nil, note(fmt.Sprintf("the feed is not used: %v; the last good copy is of %s, older than evidence.intel_max_age", err, have.Checked.Format(time.DateOnly)), "evidence.intel names it")
	}
	return text, note(fmt.Sprintf("the feed could not be fetched: %v; using the last good copy, of %s", err, have.Checked.Format("2006-01-02 15:04 MST")), "")
}

// usable returns an error if a text is not a list, or all of its entries would be left out.
func usable(text []byte, column string) error {
	x := indicators{texts: map[string]string{}}
	refused, err := x.read(bytes.NewReader(text), "", column)
	if err == nil && x.count == 0 {
		err = fmt.Errorf("it contains nothing usable, the first entry %q %s", refused[0].first, refused[0].why)
	}
	return err
}

// copy reads the last good copy; nil if there is none or it is incomplete.
func (f *Feeds) copy(path string) (c copied, text []byte) {
	about, err := os.ReadFile(path + ".json")
	if err != nil || json.Unmarshal(about, &c) != nil {
		return copied{}, nil
	}
	text, err = os.ReadFile(path)
	if sum := sha256.Sum256(text); err != nil || hex.EncodeToString(sum[:]) != c.SHA256 {
		return copied{}, nil
	}
	return c, text
}

// keep writes a copy (unless nil), then its metadata, each atomically.
func (f *Feeds) keep(path string, text []byte, c copied) error {
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return err
	}
	about, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if text != nil {
		err = atomicfile.WriteBytes(path, 0o600, text)
	}
	if err == nil {
		err = atomicfile.WriteBytes(path+".json", 0o600, about)
	}
	return err
}

// fetch asks the server. A nil text without an error means that the copy is current.
func (f *Feeds) fetch(ctx context.Context, address string, have copied, conditional bool) (text []byte, got copied, err error) {
	ctx, cancel := context.WithTimeout(ctx, feedTimeout)
	defer cancel()
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, got, errors.New("the address cannot be read")
	}
	req.Header.Set("User-Agent", "dwell/"+f.Version)
	if conditional {
		for header, value := range map[string]string{"If-None-Match": have.ETag, "If-Modified-Since": have.LastModified} {
			if value != "" {
				req.Header.Set(header, value)
			}
		}
	}
	res, err := f.client().Do(req)
	if err != nil {
		var full *url.Error // contains the whole URL
		if errors.As(err, &full) {
			err = full.Err
		}
		return nil, got, err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && conditional:
		return nil, have, nil
	case res.StatusCode != http.StatusOK:
		return nil, got, fmt.Errorf("the server answers %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	case res.ContentLength > maxBytes:
		return nil, got, errTooLarge
	}
	text, err = io.ReadAll(io.LimitReader(res.Body, maxBytes+1))
	switch {
	case err != nil:
		return nil, got, fmt.Errorf("the answer broke off: %w", err)
	case len(text) > maxBytes:
		return nil, got, errTooLarge
	}
	return text, copied{ETag: res.Header.Get("ETag"), LastModified: res.Header.Get("Last-Modified")}, nil
}

// errMoved is a redirect that is not followed; a retry would not help.
var errMoved = errors.New("it is redirected")

// client retries temporary failures (no connection, 429, 5xx), and follows redirects except from TLS to plain HTTP.
func (f *Feeds) client() *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.Logger, c.ErrorHandler = nil, retryablehttp.PassthroughErrorHandler
	c.RetryMax, c.RetryWaitMin = feedRetries, cmp.Or(f.wait, feedWait)
	c.RetryWaitMax = 5 * c.RetryWaitMin
	c.CheckRetry = func(ctx context.Context, res *http.Response, err error) (bool, error) {
		if errors.Is(err, errMoved) {
			return false, nil
		}
		return retryablehttp.DefaultRetryPolicy(ctx, res, err)
	}
	c.HTTPClient.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		req.Header.Del("Referer") // may hold the feed's key
		switch {
		case len(via) >= 5:
			return fmt.Errorf("%w more than five times", errMoved)
		case via[0].URL.Scheme == "https" && req.URL.Scheme != "https":
			return fmt.Errorf("%w to an address without TLS", errMoved)
		}
		return nil
	}
	return c
}
