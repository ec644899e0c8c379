package store

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/so-config/kibana"
)

// A server imitates Kibana; the import into a real one is not tested.
func TestImportKibana(t *testing.T) {
	file, err := os.ReadFile("../../so-config/kibana/dwell.ndjson")
	require.NoError(t, err)
	var got *http.Request
	var sent []byte
	objects := bytes.Count(file, []byte("\n"))
	answer := fmt.Sprintf(`{"success":true,"successCount":%d}`, objects)
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		if f, _, err := r.FormFile("file"); err == nil {
			sent, _ = io.ReadAll(f)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	defer srv.Close()
	o := KibanaOptions{URL: srv.URL + "/kibana/", Username: "u", Password: "secret-p"}
	n, err := ImportKibana(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, objects, n)
	require.Equal(t, "/kibana/api/saved_objects/_import?overwrite=true", got.RequestURI)
	require.NotEmpty(t, got.Header.Get("Kbn-Xsrf"), "Kibana refuses without it")
	user, password, _ := got.BasicAuth()
	require.Equal(t, []string{"u", "secret-p"}, []string{user, password})
	require.Equal(t, string(file), string(sent), "what is sent is the file")

	for _, c := range []struct {
		name, answer, want string
		status             int
		kind               es.Kind
	}{
		{"refused objects", `{"success":false,"successCount":8,"errors":[{"id":"dwell-pair","type":"dashboard","error":{"type":"unsupported_type","message":"no"}}]}`, "8 of 12 were taken; dashboard dwell-pair: unsupported_type no", 200, es.Fatal},
		{"fewer than sent", `{"success":true,"successCount":3}`, "3 of 12", 200, es.Fatal},
		{"a login page", `<html>`, "login page", 302, es.Fatal},
		{"html with 200", `<html>`, "not Kibana's", 200, es.Fatal},
		{"wrong password", `{}`, "does not accept these credentials", 401, es.Permission},
		{"an error", `{"message":"boom"}`, `500 Internal Server Error: "boom"`, 500, es.Fatal},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, status = c.answer, c.status
			_, err := ImportKibana(t.Context(), o)
			require.ErrorContains(t, err, c.want)
			kind, _ := es.KindOf(err)
			require.Equal(t, c.kind, kind)
			require.NotContains(t, err.Error(), "secret-p")
		})
	}
}

// Every object of dwell's is deleted; a missing one is not an error, a refusal is.
func TestRemoveKibana(t *testing.T) {
	objects, err := kibana.NDJSON()
	require.NoError(t, err)
	want := bytes.Count(objects, []byte("\n"))
	var paths []string
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, http.MethodDelete, r.Method)
		paths = append(paths, r.URL.Path)
		w.WriteHeader(status)
		fmt.Fprint(w, "{}")
	}))
	defer srv.Close()
	o := KibanaOptions{URL: srv.URL + "/kibana/", Username: "u", Password: "secret-p"}
	n, err := RemoveKibana(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, want, n)
	require.Len(t, paths, want)
	require.Contains(t, paths, "/kibana/api/saved_objects/dashboard/dwell-overview")
	status = http.StatusNotFound
	n, err = RemoveKibana(t.Context(), o)
	require.NoError(t, err)
	require.Zero(t, n, "what is not there was not removed")
	status = http.StatusForbidden
	_, err = RemoveKibana(t.Context(), o)
	require.True(t, es.Is(err, es.Permission), "%v", err)
	require.ErrorContains(t, CheckKibana(t.Context(), KibanaOptions{URL: "http://127.0.0.1:1"}), "ask Kibana")
}
