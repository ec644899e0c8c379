package es_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/es/estest"
)

// answer is a complete search answer.
const answer = `{"took":7,"timed_out":false,"_shards":{"total":3,"successful":3,"skipped":1,"failed":0},"hits":{"total":{"value":5}},"aggregations":{"a":[1,{"b":"]}\""}]}}`

func client(t *testing.T, fake *estest.Fake, change func(*es.Config)) *es.Client {
	t.Helper()
	cfg := es.Config{Addresses: []string{"http://es.invalid:9200"}, Transport: fake, Password: "secret-word", Username: "u"}
	if change != nil {
		change(&cfg)
	}
	c, err := es.New(cfg)
	require.NoError(t, err)
	return c
}

func search(ctx context.Context, c *es.Client) (es.SearchResult, error) {
	var got es.SearchResult
	err := c.Search(ctx, es.SearchRequest{Index: []string{"logs", "more"}, Body: []byte(`{"size":0}`), FilterPath: []string{"hits.total"}}, func(r es.SearchResult) error {
		got = r
		got.Hits, got.Aggregations = append([]byte(nil), r.Hits...), append([]byte(nil), r.Aggregations...)
		return nil
	})
	return got, err
}

func TestSearchGivesCompleteAnswers(t *testing.T) {
	fake := new(estest.Fake).On(1, estest.JSON(answer))
	got, err := search(t.Context(), client(t, fake, nil))
	require.NoError(t, err)
	require.Equal(t, es.SearchResult{Shards: 3, Hits: []byte(`{"total":{"value":5}}`), Aggregations: []byte(`{"a":[1,{"b":"]}\""}]}`)}, got)
	r := fake.Requests()[0]
	require.Equal(t, "/logs,more/_search", r.Path)
	require.Equal(t, "false", r.Query.Get("allow_partial_search_results"))
	require.Equal(t, "false", r.Query.Get("request_cache"))
	require.Equal(t, "54000ms", r.Query.Get("timeout"), "nine tenths of our own 60 s")
	require.Equal(t, "took,timed_out,terminated_early,_shards,_clusters,hits.total", r.Query.Get("filter_path"))
}

// A 200 may be a failure (docs/facts/elasticsearch.md, 3.3, faults 5 and 6).
func TestSearchRefusesIncompleteAnswers(t *testing.T) {
	shards := func(s string) estest.Reply {
		return estest.JSON(`{"took":1,"timed_out":false,` + s + `,"hits":{"hits":[]}}`)
	}
	whole := `"_shards":{"total":2,"successful":2,"skipped":0,"failed":0}`
	for _, c := range []struct {
		name  string
		reply estest.Reply
		kind  es.Kind
		say   string
	}{
		{"failed shard", estest.ShardFailed(2, 7, "illegal_state_exception", "boom"), es.Partial, "2 of 7 shards failed"},
		{"failed shard with too many buckets", estest.ShardFailed(2, 7, "too_many_buckets_exception", "x"), es.TooBig, "2 of 7 shards failed"},
		{"timed out", estest.TimedOut(), es.Timeout, "timed_out"},
		{"missing shard", shards(`"_shards":{"total":3,"successful":2,"skipped":0,"failed":0}`), es.Partial, "2 of 3 shards"},
		{"skipped cluster", shards(whole + `,"_clusters":{"total":2,"successful":1,"skipped":1}`), es.Partial, "1 of 2 clusters"},
		{"partial cluster", shards(whole + `,"_clusters":{"total":2,"successful":2,"skipped":0,"partial":1}`), es.Partial, "in part"},
		{"cluster that is partial by its details alone", shards(whole + `,"_clusters":{"total":1,"successful":1,"details":{"heavy":{"status":"partial"},"own":{"status":"successful"}}}`), es.Partial, "heavy partial"},
		{"terminated early", estest.JSON(`{"took":1,"timed_out":false,"terminated_early":true,` + whole + `,"hits":{"hits":[]}}`), es.Partial, "terminated_early"},
		{"no word about shards", estest.JSON(`{"took":1,"timed_out":false,"hits":{"hits":[]}}`), es.Partial, "does not say"},
		{"no word about time", estest.JSON(`{"took":1,` + whole + `}`), es.Partial, "does not say"},
		{"two answers in one", estest.JSON(answer + answer), es.Retryable, "read the answer"},
		{"no JSON", estest.JSON(`{"took":1,`), es.Retryable, "read the answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := new(estest.Fake).On(1, c.reply)
			decoded := false
			err := client(t, fake, func(cfg *es.Config) { cfg.MaxRetries = -1 }).Search(t.Context(), es.SearchRequest{Index: []string{"logs"}}, func(es.SearchResult) error { decoded = true; return nil })
			var e *es.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.kind.String(), e.Kind.String())
			require.Contains(t, e.Error(), c.say)
			require.Equal(t, "search", e.Op)
			require.Equal(t, "logs", e.Index)
			require.False(t, decoded, "nobody sees a part of an answer")
		})
	}
}

// Aggregations that the decoder reads to the end are not scanned first; anything after them is an error.
func TestSearchToTheEnd(t *testing.T) {
	const whole, aggs = `"timed_out":false,"_shards":{"total":2,"successful":2,"skipped":0,"failed":0}`, `"aggregations":{"a":["}"]}`
	for _, c := range []struct{ name, answer, refused string }{
		{"as the server writes it", `{"took":1,` + whole + `,` + aggs + "}\n", ""},
		{"aggregations first", `{` + aggs + `,` + whole + `}`, ""},
		{"a failed shard", `{"timed_out":false,"_shards":{"total":2,"successful":1,"failed":1},` + aggs + `}`, "1 of 2 shards failed"},
		{"timed out", `{"timed_out":true,"_shards":{"total":2,"successful":2,"failed":0},` + aggs + `}`, "timed_out"},
		{"a cluster that was skipped, told behind", `{` + whole + `,` + aggs + `,"_clusters":{"total":2,"successful":1,"skipped":1}}`, "read the answer"},
		{"cut", `{` + whole + `,"aggregations":{"a":["}"]`, "read the answer"},
		{"no more than where it begins", `{` + whole + `,"aggregations":`, "read the answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := client(t, new(estest.Fake).On(1, estest.JSON(c.answer)), func(cfg *es.Config) { cfg.MaxRetries = -1 })
			var got struct{ A []string }
			err := cl.Search(t.Context(), es.SearchRequest{ToTheEnd: true}, func(r es.SearchResult) error { return json.Unmarshal(r.Aggregations, &got) })
			if c.refused != "" {
				require.ErrorContains(t, err, c.refused)
				return
			}
			require.NoError(t, err)
			require.Equal(t, []string{"}"}, got.A)
		})
	}
}

func TestRetries(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply estest.Reply
		sent  int
		kind  es.Kind
	}{
		{"rejected", estest.Rejected(), 5, es.Overload},
		{"breaker that lets go", estest.Breaker(false), 5, es.Overload},
		{"breaker that does not", estest.Breaker(true), 1, es.TooBig},
		{"flood stage", estest.Flood(), 1, es.ClusterBlock},
		{"node restarting", estest.Error(503, "no_shard_available_action_exception", ""), 5, es.Retryable},
		{"gateway", estest.Reply{Status: 502, Header: http.Header{}, Body: "<html>"}, 5, es.Retryable},
		{"internal error", estest.Error(500, "null_pointer_exception", "x"), 5, es.Retryable},
		{"wrong password", estest.Error(401, "security_exception", "unable to authenticate"), 1, es.Auth},
		{"no right", estest.Error(403, "security_exception", "unauthorized"), 1, es.Permission},
		{"no index", estest.Error(404, "index_not_found_exception", "no such index"), 1, es.NotFound},
		{"connection reset", estest.Reply{Err: syscall.ECONNRESET}, 5, es.Retryable},
		{"connection refused", estest.Reply{Err: fmt.Errorf("dial: %w", syscall.ECONNREFUSED)}, 5, es.Unreachable},
		{"answer cut off", estest.Reply{Status: 200, Body: answer, Cut: 40}, 5, es.Retryable},
		{"cut off in an error", estest.Reply{Status: 503, Body: answer, Cut: 10}, 5, es.Retryable},
		{"request not understood", estest.Error(400, "parsing_exception", "x"), 1, es.Fatal},
		{"empty answer", estest.Reply{Status: 200, Header: http.Header{"X-Elastic-Product": {"Elasticsearch"}}}, 5, es.Retryable},
		{"answer without anything", estest.JSON("{}"), 5, es.Partial},
		{"a page", estest.HTML(), 5, es.NotElasticsearch},
		{"shards failed", estest.ShardFailed(1, 2, "illegal_state_exception", "x"), 5, es.Partial},
		{"unpacking failed", estest.Reply{Err: errors.New("answer broke off after 7 bytes: gzip: invalid checksum")}, 5, es.Retryable},
		{"unknown failure", estest.Reply{Err: errors.New("odd")}, 5, es.Unreachable},
		{"stall", estest.Reply{Stall: true}, 2, es.Timeout},
		{"stall in mid-answer", estest.Reply{Status: 200, Body: answer, Cut: 40, Stall: true}, 2, es.Timeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &estest.Fake{Handle: func(int, estest.Request) estest.Reply { return c.reply }}
				_, err := search(t.Context(), client(t, fake, nil))
				var e *es.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, c.kind.String(), e.Kind.String(), e.Error())
				require.Len(t, fake.Requests(), c.sent)
				require.Equal(t, c.sent, e.Attempts)
				require.NotContains(t, e.Error(), "secret-word")
				for _, r := range fake.Requests() {
					require.Equal(t, `{"size":0}`, string(r.Body), "every attempt carries the whole body")
				}
			})
		})
	}
}

func TestRetryRecovers(t *testing.T) {
	for _, first := range []estest.Reply{estest.Rejected(), {Err: io.EOF}, {Status: 200, Body: answer, Cut: 60}} {
		synctest.Test(t, func(t *testing.T) {
			fake := new(estest.Fake).On(1, first).On(2, first).On(3, estest.JSON(answer))
			got, err := search(t.Context(), client(t, fake, nil))
			require.NoError(t, err)
			require.Equal(t, 3, got.Shards)
			require.Len(t, fake.Requests(), 3)
		})
	}
}

// A restarting node is waited for until patience ends; errors that retrying cannot fix are not.
func TestPatience(t *testing.T) {
	away := estest.Error(503, "no_shard_available_action_exception", "x")
	patient := func(c *es.Config) { c.Patience = 90 * time.Second }
	t.Run("outlasts a restart", func(t *testing.T) {
		for name, fault := range map[string]estest.Reply{"503": away, "refused": {Err: syscall.ECONNREFUSED}, "500": {Status: 500, Body: "oops"}, "empty": {Status: 200},
			"reset": {Err: syscall.ECONNRESET}, "cut": {Status: 200, Body: answer, Cut: 40}, "no JSON": estest.JSON(`{"took":`), "{}": estest.JSON("{}")} {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				fake := &estest.Fake{Handle: func(n int, _ estest.Request) estest.Reply {
					if n > 1 && time.Since(start) < 75*time.Second {
						return fault
					}
					return estest.JSON(answer)
				}}
				c := client(t, fake, patient)
				_, err := search(t.Context(), c)
				require.NoError(t, err)
				got, err := search(t.Context(), c)
				require.NoError(t, err, name)
				require.Equal(t, 3, got.Shards)
			})
		}
	})
	t.Run("ends, and once for all requests", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			asks := away // for an hour
			asks.Header = http.Header{"Retry-After": {"3600"}}
			fake := &estest.Fake{Handle: func(int, estest.Request) estest.Reply { return asks }}
			c := client(t, fake, patient)
			start := time.Now()
			_, err := search(t.Context(), c)
			require.True(t, es.Is(err, es.Retryable))
			require.InDelta(t, 90, time.Since(start).Seconds(), 16)
			time.Sleep(time.Second) // in the bubble: the test does not wait
			start, before := time.Now(), len(fake.Requests())
			_, err = search(t.Context(), c)
			require.True(t, es.Is(err, es.Retryable))
			require.Zero(t, time.Since(start), "the cluster was waited for already")
			require.Equal(t, before+1, len(fake.Requests()))
		})
	})
	t.Run("not for settings that are wrong", func(t *testing.T) {
		for name, reply := range map[string]estest.Reply{"page": estest.HTML(), "unknown host": {Err: &net.DNSError{IsNotFound: true}}, "password": estest.Error(401, "security_exception", "x")} {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, err := search(t.Context(), client(t, &estest.Fake{Handle: func(int, estest.Request) estest.Reply { return reply }}, patient))
				require.Error(t, err)
				require.Less(t, time.Since(start), 15*time.Second, name)
			})
		}
	})
	t.Run("what must not be done twice", func(t *testing.T) {
		fake := &estest.Fake{Handle: func(int, estest.Request) estest.Reply { return estest.Reply{Status: 200, Body: answer, Cut: 40} }}
		err := client(t, fake, patient).Do(t.Context(), es.Call{Request: esapi.InfoRequest{}, Once: true})
		require.True(t, es.Is(err, es.Retryable), "%v", err)
		require.Len(t, fake.Requests(), 1)
	})
}

func TestNoRetriesWhenSwitchedOff(t *testing.T) {
	fake := &estest.Fake{Handle: func(int, estest.Request) estest.Reply { return estest.Rejected() }}
	_, err := search(t.Context(), client(t, fake, func(c *es.Config) { c.MaxRetries = -1 }))
	require.True(t, es.Is(err, es.Overload))
	require.Len(t, fake.Requests(), 1)
}

// Pauses are between zero and the doubling limit plus a quarter of the smallest; the cap also applies to Retry-After.
func TestBackoffIsCapped(t *testing.T) {
	for _, c := range []struct {
		name, after string
		least, most time.Duration
	}{
		// 4 pauses below 100, 200, 400 and 400 ms, each with 25 ms added.
		{"none asked for", "", 100 * time.Millisecond, 1200 * time.Millisecond},
		{"two seconds asked for, more than the cap", "2", 1600 * time.Millisecond, 1600 * time.Millisecond},
		{"an hour asked for", "3600", 1600 * time.Millisecond, 1600 * time.Millisecond},
		{"nothing asked for", "0", 0, 0},
		{"nonsense asked for", "soon", 100 * time.Millisecond, 1200 * time.Millisecond},
		{"a date long past", "Fri, 01 Jan 1999 00:00:00 GMT", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &estest.Fake{Handle: func(int, estest.Request) estest.Reply {
					r := estest.Rejected()
					r.Header = http.Header{"X-Elastic-Product": {"Elasticsearch"}}
					if c.after != "" {
						r.Header.Set("Retry-After", c.after)
					}
					return r
				}}
				cl := client(t, fake, func(cfg *es.Config) {
					cfg.BackoffMin, cfg.BackoffMax = 100*time.Millisecond, 400*time.Millisecond
				})
				start := time.Now()
				_, err := search(t.Context(), cl)
				require.True(t, es.Is(err, es.Overload))
				require.GreaterOrEqual(t, time.Since(start), c.least)
				require.LessOrEqual(t, time.Since(start), c.most)
			})
		})
	}
}

func TestCancelEndsAttemptsAndWaits(t *testing.T) {
	for name, reply := range map[string]estest.Reply{"in an attempt": {Stall: true}, "in a wait": estest.Rejected()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &estest.Fake{Handle: func(int, estest.Request) estest.Reply { return reply }}
				cl := client(t, fake, func(cfg *es.Config) { cfg.BackoffMin = time.Hour; cfg.BackoffMax = time.Hour; cfg.Timeout = time.Hour })
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				_, err := search(ctx, cl)
				require.True(t, es.Is(err, es.Canceled), "%v", err)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, time.Second, time.Since(start))
			})
		})
	}
}

// Elasticsearch cancels a search when its connection is closed, so canceling must close it at once.
func TestCancelClosesTheConnection(t *testing.T) {
	arrived, closed := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		// The server notices a closed connection only once the body is read.
		_, _ = io.Copy(io.Discard, r.Body) // Faults cut it off.
		close(arrived)
		<-r.Context().Done()
		close(closed)
	}))
	defer srv.Close()
	c, err := es.New(es.Config{Addresses: []string{srv.URL}, Timeout: time.Hour})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-arrived
		cancel()
	}()
	_, err = search(ctx, c)
	require.True(t, es.Is(err, es.Canceled), "%v", err)
	<-closed
}

func TestRetriesGoRoundTheAddresses(t *testing.T) {
	var hosts []string
	rt := roundTrip(func(r *http.Request) (*http.Response, error) {
		hosts = append(hosts, r.URL.String())
		if r.Host != "" {
			require.Equal(t, r.URL.Host, r.Host, "the Host header follows the address")
		}
		if len(hosts) < 3 {
			return nil, syscall.ECONNREFUSED
		}
		return (&estest.Fake{Handle: func(int, estest.Request) estest.Reply { return estest.JSON(answer) }}).RoundTrip(r)
	})
	synctest.Test(t, func(t *testing.T) {
		c, err := es.New(es.Config{Addresses: []string{"https://a.invalid:9200/x", "https://b.invalid:9200", "https://c.invalid/y/z"}, Transport: rt})
		require.NoError(t, err)
		require.NoError(t, c.Search(t.Context(), es.SearchRequest{}, func(es.SearchResult) error { return nil }))
	})
	require.Len(t, hosts, 3)
	for i, want := range []string{"https://a.invalid:9200/x/_search?", "https://b.invalid:9200/_search?", "https://c.invalid/y/z/_search?"} {
		require.Contains(t, strings.Join(hosts, " "), want, "address %d", i)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNotElasticsearch(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply estest.Reply
		say   string
	}{
		{"a page with 200", estest.HTML(), "text/html"},
		{"Kibana", estest.Kibana(), "Kibana"},
		{"a redirect to a login", estest.Reply{Status: 302, Header: http.Header{"Location": {"https://sso.invalid/"}}}, "302"},
		{"JSON of somebody else", estest.Reply{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: answer}, "application/json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := new(estest.Fake).On(1, c.reply)
			_, err := search(t.Context(), client(t, fake, func(cfg *es.Config) { cfg.MaxRetries = -1 }))
			require.True(t, es.Is(err, es.NotElasticsearch), "%v", err)
			require.Contains(t, err.Error(), c.say)
			require.Contains(t, err.Error(), "elasticsearch.addresses")
			require.Len(t, fake.Requests(), 1, "redirects are not followed, with our credentials in hand")
		})
	}
}

func TestTLS(t *testing.T) {
	fake := &estest.Fake{Handle: func(int, estest.Request) estest.Reply {
		return estest.JSON(`{"cluster_name":"c","version":{"number":"8.19.21"}}`)
	}}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res, err := fake.RoundTrip(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		_, _ = io.Copy(w, res.Body) // Faults cut it off.
	}))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600))
	info := func(cfg es.Config) (es.Info, error) {
		cl, err := es.New(cfg)
		require.NoError(t, err)
		defer cl.Close()
		return cl.Info(t.Context())
	}
	t.Run("verified", func(t *testing.T) {
		got, err := info(es.Config{Addresses: []string{srv.URL}, CAFile: ca})
		require.NoError(t, err)
		require.Equal(t, "8.19.21", got.Version.Number)
	})
	t.Run("unknown authority", func(t *testing.T) {
		before := len(fake.Requests())
		_, err := info(es.Config{Addresses: []string{srv.URL}})
		require.True(t, es.Is(err, es.TLS), "%v", err)
		require.Contains(t, err.Error(), "elasticsearch.ca_file")
		require.Len(t, fake.Requests(), before)
		var verify *tls.CertificateVerificationError
		require.ErrorAs(t, err, &verify)
	})
	t.Run("wrong name", func(t *testing.T) {
		// httptest's certificate is for 127.0.0.1, ::1 and example.com.
		_, err := info(es.Config{Addresses: []string{strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)}, CAFile: ca})
		require.True(t, es.Is(err, es.TLS), "%v", err)
		require.Contains(t, err.Error(), "in the certificate")
	})
	t.Run("switched off, with a warning", func(t *testing.T) {
		var log strings.Builder
		_, err := info(es.Config{Addresses: []string{srv.URL}, Insecure: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		require.Contains(t, log.String(), "level=WARN")
	})
	t.Run("plain HTTP to TLS", func(t *testing.T) {
		_, err := info(es.Config{Addresses: []string{strings.Replace(srv.URL, "https", "http", 1)}, MaxRetries: -1})
		require.True(t, es.Is(err, es.NotElasticsearch, es.Retryable, es.Unreachable), "%v", err)
	})
	t.Run("TLS to plain HTTP", func(t *testing.T) {
		url := fake.Serve(t)
		_, err := info(es.Config{Addresses: []string{strings.Replace(url, "http", "https", 1)}})
		require.True(t, es.Is(err, es.TLS), "%v", err)
		require.Contains(t, err.Error(), "http://")
	})
	t.Run("no certificate in the file", func(t *testing.T) {
		empty := filepath.Join(t.TempDir(), "empty.pem")
		require.NoError(t, os.WriteFile(empty, []byte("nothing"), 0o600))
		_, err := es.New(es.Config{Addresses: []string{srv.URL}, CAFile: empty})
		require.ErrorContains(t, err, "contains no PEM certificate")
		_, err = es.New(es.Config{Addresses: []string{srv.URL}, CAFile: empty + ".not"})
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

// Over a socket: a connection that breaks in the middle of an answer, and one that stalls.
func TestFaultsOnTheWire(t *testing.T) {
	fake := new(estest.Fake).On(1, estest.Reply{Status: 200, Body: answer, Cut: 50}).On(2, estest.Reply{Status: 200, Body: answer, Cut: 50, Stall: true}).On(3, estest.JSON(answer))
	c, err := es.New(es.Config{Addresses: []string{fake.Serve(t)}, BackoffMin: time.Millisecond, Timeout: 200 * time.Millisecond})
	require.NoError(t, err)
	got, err := search(t.Context(), c)
	require.NoError(t, err, "the first broke off and the second timed out")
	require.Equal(t, 3, got.Shards)
}

func TestUnreachable(t *testing.T) {
	srv := httptest.NewServer(nil)
	srv.Close()
	c, err := es.New(es.Config{Addresses: []string{strings.Replace(srv.URL, "http://", "http://u:secret-word@", 1)}, MaxRetries: 1, BackoffMin: time.Millisecond})
	require.NoError(t, err)
	_, err = c.Info(t.Context())
	require.True(t, es.Is(err, es.Unreachable), "%v", err)
	require.Contains(t, err.Error(), "nothing listens there")
	require.Contains(t, err.Error(), "2 attempts")
	require.NotContains(t, err.Error(), "secret-word")
}

func TestValidateNamesEverySetting(t *testing.T) {
	cfg := es.Config{Addresses: []string{"manager:9200", "https://u:secret-word@h/?q", "ftp://u:secret-word@h"}, CAFile: "x", CACert: []byte("y"), Timeout: -1}
	err := cfg.Validate()
	for _, want := range []string{"manager:9200", "more than scheme", "ftp", "elasticsearch.ca_file", "elasticsearch.timeout"} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "secret-word")
	require.ErrorContains(t, (&es.Config{}).Validate(), "elasticsearch.addresses")
	_, err = es.New(es.Config{})
	require.Error(t, err)
}
