package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"dwell/internal/es"
	"dwell/so-config/kibana"
)

// KibanaOptions are how to reach and authenticate to Kibana.
type KibanaOptions struct {
	// URL is Kibana's address with its base path: "http://localhost:5601" on a manager, "https://manager/kibana" behind
	// its proxy.
	URL string
	// CAFile is the PEM file of the trusted authority; empty means the system's.
	CAFile string
	// APIKey is Elasticsearch's encoded form; it takes precedence over Username and Password.
	APIKey, Username, Password string
	// Transport replaces the network, for tests.
	Transport http.RoundTripper
}

// KibanaImportPath is the path of the import API.
const KibanaImportPath = "/api/saved_objects/_import?overwrite=true"

// kibanaTimeout limits one request to Kibana: an import of ten objects takes a second or two.
const kibanaTimeout = time.Minute

// maxKibanaAnswer limits the answer's size, in bytes.
const maxKibanaAnswer = 4 << 20

// ImportKibana imports the data view, the saved searches and the dashboards, overwriting objects with the same ids, and
// returns their number. All ids start with "dwell", so no other objects are affected. It can be repeated.
func ImportKibana(ctx context.Context, o KibanaOptions) (int, error) {
	objects, err := kibana.NDJSON()
	if err != nil {
		return 0, err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "dwell.ndjson")
	if err == nil {
		_, err = part.Write(objects)
	}
	if err = errors.Join(err, form.Close()); err != nil {
		return 0, fmt.Errorf("import Kibana objects: encode: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(o.URL, "/")+KibanaImportPath, &body)
	if err != nil {
		return 0, fmt.Errorf("kibana.url: %w", err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	answer, err := o.send(req)
	if err != nil {
		return 0, fmt.Errorf("import Kibana objects: %w", err)
	}
	var result struct {
		Success bool `json:"success"`
		Count   int  `json:"successCount"`
		Errors  []struct {
			ID    string `json:"id"`
			Type  string `json:"type"`
			Error struct {
				Type    string `json:"type"`
				Message string `json:"message"`
			} `json:"error"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return 0, fmt.Errorf("import Kibana objects: the answer is not Kibana's: check kibana.url, base path included: %w", err)
	}
	if want := bytes.Count(objects, []byte("\n")); !result.Success || result.Count != want {
		err := fmt.Errorf("import Kibana objects: %d of %d were taken", result.Count, want)
		for _, e := range result.Errors {
			err = fmt.Errorf("%w; %s %s: %s %s", err, e.Type, e.ID, e.Error.Type, e.Error.Message)
		}
		return result.Count, err
	}
	return result.Count, nil
}

// CheckKibana checks that Kibana answers and accepts the credentials, before any change.
func CheckKibana(ctx context.Context, o KibanaOptions) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(o.URL, "/")+"/api/status", nil)
	if err != nil {
		return fmt.Errorf("kibana.url: %w", err)
	}
	if _, err := o.send(req); err != nil {
		return fmt.Errorf("ask Kibana: %w", err)
	}
	return nil
}

// RemoveKibana deletes dwell's objects from Kibana and returns how many there were.
func RemoveKibana(ctx context.Context, o KibanaOptions) (int, error) {
	objects, err := kibana.NDJSON()
	if err != nil {
		return 0, err
	}
	removed := 0
	for line := range bytes.Lines(objects) {
		var object struct{ ID, Type string }
		if err := json.Unmarshal(line, &object); err != nil {
			return removed, fmt.Errorf("read so-config's Kibana objects: %w", err)
		}
		address := strings.TrimRight(o.URL, "/") + "/api/saved_objects/" + object.Type + "/" + object.ID + "?force=true"
		req, err := http.NewRequestWithContext(ctx, http.MethodDelete, address, nil)
		if err != nil {
			return removed, fmt.Errorf("kibana.url: %w", err)
		}
		_, err = o.send(req)
		var missing *kibanaError
		if errors.As(err, &missing) && missing.status == http.StatusNotFound {
			continue
		}
		if err != nil {
			return removed, fmt.Errorf("remove Kibana's %s %s: %w", object.Type, object.ID, err)
		}
		removed++
	}
	return removed, nil
}

// kibanaError is an unsuccessful answer.
type kibanaError struct {
	status int
	text   string
}

func (e *kibanaError) Error() string { return e.text }

// send sends one request to Kibana and returns a 2xx answer. It does not follow redirects, which lead to login pages.
func (o *KibanaOptions) send(req *http.Request) ([]byte, error) {
	rt := o.Transport
	if rt == nil {
		var err error
		if rt, err = es.Network(es.Config{Addresses: []string{o.URL}, CAFile: o.CAFile}); err != nil {
			return nil, fmt.Errorf("kibana.url: %w", err)
		}
	}
	req.Header.Set("Kbn-Xsrf", "dwell")
	switch {
	case o.APIKey != "":
		req.Header.Set("Authorization", "ApiKey "+o.APIKey)
	case o.Username != "":
		req.SetBasicAuth(o.Username, o.Password)
	}
	client := http.Client{Transport: rt, Timeout: kibanaTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxKibanaAnswer))
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return nil, &es.Error{Kind: es.Permission, Op: "ask Kibana", Status: res.StatusCode, Reason: "Kibana does not accept these credentials for saved objects",
			Hint: "use an administrator's; on a Security Onion manager http://localhost:5601 takes so_elastic's"}
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return nil, fmt.Errorf("answered %s, which is a login page or another path: on a Security Onion manager use http://localhost:5601", res.Status)
	case res.StatusCode > 299:
		var said struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(b, &said) != nil || said.Message == "" {
			said.Message = "no reason given"
		}
		return nil, &kibanaError{res.StatusCode, fmt.Sprintf("answered %s: %.200q", res.Status, said.Message)}
	}
	return b, nil
}
