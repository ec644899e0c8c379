package es

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/stretchr/testify/require"
)

func TestDoSendsCompatibleHeadersAndCredentials(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		user string
		want string
	}{
		{name: "api key as encoded", cfg: Config{APIKey: "aWQ6a2V5"}, want: "APIKey aWQ6a2V5"},
		// base64 of "id:key" by coreutils base64: aWQ6a2V5.
		{name: "api key as id and key", cfg: Config{APIKey: "id:key"}, want: "APIKey aWQ6a2V5"},
		// base64 of "u:p": dTpw.
		{name: "user", cfg: Config{Username: "u", Password: "p"}, want: "Basic dTpw"},
		{name: "user in the address", user: "u:p@", want: "Basic dTpw"},
		{name: "api key wins", cfg: Config{APIKey: "aWQ6a2V5", Username: "u", Password: "p"}, user: "x:y@", want: "APIKey aWQ6a2V5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got *http.Request
			var sent []byte
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r.Clone(context.Background())
				sent, _ = io.ReadAll(r.Body)
				w.Header().Set("X-Elastic-Product", "Elasticsearch")
				fmt.Fprint(w, `{"ok":true}`)
			}))
			defer srv.Close()
			cfg := c.cfg
			cfg.Addresses = []string{strings.Replace(srv.URL, "http://", "http://"+c.user, 1) + "/base/"}
			cl, err := New(cfg)
			require.NoError(t, err)
			var out struct{ OK bool }
			err = cl.Do(t.Context(), Call{Op: "bulk", Index: "i", Request: esapi.BulkRequest{Index: "i", Body: strings.NewReader("{}\n")}, Decode: JSON(&out)})
			require.NoError(t, err)
			require.True(t, out.OK)
			require.Equal(t, c.want, got.Header.Get("Authorization"))
			require.Equal(t, "application/vnd.elasticsearch+json;compatible-with=8", got.Header.Get("Accept"))
			require.Equal(t, "application/vnd.elasticsearch+json;compatible-with=8", got.Header.Get("Content-Type"))
			require.Equal(t, "dwell", got.Header.Get("User-Agent"))
			require.Equal(t, "/base/i/_bulk", got.URL.Path)
			require.Equal(t, "{}\n", string(sent))
			require.NotContains(t, cl.Addresses()[0], "@", "addresses are shown: no credentials in them")
		})
	}
}
