package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"dwell/integration/load"
	"dwell/integration/testnode"
	"dwell/internal/es"
)

func TestMain(m *testing.M) {
	testscript.Main(withNode{m}, map[string]func(){
		"dwell": main,
	})
}

// withNode stops the test Elasticsearch after the tests.
type withNode struct{ m *testing.M }

func (w withNode) Run() int { return testnode.Main(w.m) }

// TestScripts runs the pages in testdata: each runs the real program and asserts stdout, stderr and exit code.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true, Setup: alone,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// alone keeps the host's own configuration out of the scripts, and what they remember out of the host.
func alone(e *testscript.Env) error {
	e.Setenv("XDG_CONFIG_HOME", e.WorkDir+"/none")
	e.Setenv("XDG_STATE_HOME", e.WorkDir+"/state")
	return nil
}

// TestClusterScripts runs the pages in testdata/cluster against a real Elasticsearch with TLS, users and roles.
func TestClusterScripts(t *testing.T) {
	cluster := testnode.ForTest(t, testnode.Line8)
	cluster.Exclusive(t)
	client, err := es.New(es.Config{Addresses: []string{cluster.URL}, CAFile: cluster.CAFile, Username: cluster.Username, Password: cluster.Password})
	require.NoError(t, err)
	scenarios, err := filepath.Abs(filepath.Join("..", "..", "integration", "testdata"))
	require.NoError(t, err)
	// One page after the other: they share the names of the data streams.
	testscript.RunT(sequential{t}, testscript.Params{
		Dir: "testdata/cluster", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			if err := cluster.Wipe(t.Context()); err != nil {
				return err
			}
			e.Setenv("DWELL_ELASTICSEARCH_ADDRESSES", cluster.URL)
			e.Setenv("DWELL_ELASTICSEARCH_CA_FILE", cluster.CAFile)
			e.Setenv("SCENARIOS", scenarios)
			e.Setenv("ADMIN", cluster.Username)
			e.Setenv("ADMIN_PASSWORD", cluster.Password)
			if err := os.WriteFile(e.WorkDir+"/other.pem", otherAuthority(t), 0o600); err != nil {
				return err
			}
			return alone(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"await": await,
			// freeport VARIABLE sets a variable to a loopback address that nobody listens on.
			"freeport": func(ts *testscript.TestScript, _ bool, args []string) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				ts.Check(err)
				ts.Setenv(args[0], l.Addr().String())
				ts.Check(l.Close())
			},
			// load FOLDER puts Zeek logs into the cluster.
			"load": func(ts *testscript.TestScript, _ bool, args []string) {
				_, err := load.Load(t.Context(), client, load.Options{Paths: []string{ts.MkAbs(args[0])}})
				ts.Check(err)
			},
			// owned ADDRESS NUMBER ORGANISATION COUNTRY says in a record who holds a destination, as Security Onion's
			// pipelines do in each.
			"owned": func(ts *testscript.TestScript, _ bool, args []string) {
				var found struct {
					Hits struct {
						Hits []struct {
							Index string `json:"_index"`
							ID    string `json:"_id"`
						} `json:"hits"`
					} `json:"hits"`
				}
				ts.Check(client.Do(t.Context(), es.Call{Op: "find a record", Decode: es.JSON(&found), Request: esapi.SearchRequest{Index: []string{"logs-zeek-so"},
					Body: strings.NewReader(fmt.Sprintf(`{"size":1,"query":{"bool":{"filter":[{"term":{"destination.ip":%q}},{"term":{"event.dataset":"zeek.conn"}}]}}}`, args[0]))}}))
				if len(found.Hits.Hits) != 1 {
					ts.Fatalf("no record of %s", args[0])
				}
				ts.Check(client.Do(t.Context(), es.Call{Op: "say who holds an address", Request: esapi.UpdateRequest{Index: found.Hits.Hits[0].Index, DocumentID: found.Hits.Hits[0].ID,
					Refresh: "true", Body: strings.NewReader(fmt.Sprintf(`{"doc":{"destination_geo":{"asn":%s,"organization_name":%q},"destination":{"geo":{"country_iso_code":%q}}}}`, args[1], args[2], args[3]))}}))
			},
			// webhook makes a receiver at $WEBHOOK that writes what it gets into the file webhook.
			"webhook": func(ts *testscript.TestScript, _ bool, _ []string) {
				var mu sync.Mutex
				path := ts.MkAbs("webhook")
				server := &http.Server{Addr: strings.TrimPrefix(ts.Getenv("WEBHOOK"), "http://"), ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					mu.Lock()
					defer mu.Unlock()
					b, _ := io.ReadAll(r.Body)
					f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
					if err == nil {
						_, _ = f.Write(append(b, '\n'))
						_ = f.Close()
					}
				})}
				l, err := net.Listen("tcp", server.Addr)
				ts.Check(err)
				go func() { _ = server.Serve(l) }() // ends with Close
				ts.Defer(func() { _ = server.Close() })
			},
			// databases DIRECTORY NETWORK NUMBER ORGANISATION COUNTRY writes asn.mmdb and country.mmdb.
			"databases": func(ts *testscript.TestScript, _ bool, args []string) {
				_, network, err := net.ParseCIDR(args[1])
				ts.Check(err)
				number, err := strconv.ParseUint(args[2], 10, 32)
				ts.Check(err)
				for kind, record := range map[string]mmdbtype.Map{
					"GeoLite2-ASN":     {"autonomous_system_number": mmdbtype.Uint32(number), "autonomous_system_organization": mmdbtype.String(args[3])},
					"GeoLite2-Country": {"country": mmdbtype.Map{"iso_code": mmdbtype.String(args[4])}},
				} {
					w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, RecordSize: 24, BuildEpoch: 1_767_225_600, IncludeReservedNetworks: true})
					ts.Check(err)
					ts.Check(w.Insert(network, record))
					f, err := os.Create(filepath.Join(ts.MkAbs(args[0]), kind+".mmdb"))
					ts.Check(err)
					_, err = w.WriteTo(f)
					ts.Check(errors.Join(err, f.Close()))
				}
			},
			// alert FILE puts one alert where Suricata's are.
			"alert": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(client.Do(t.Context(), es.Call{Op: "make the index of alerts", Request: esapi.IndicesCreateRequest{Index: "logs-suricata.alerts-so",
					Body: strings.NewReader(`{"mappings":{"dynamic_templates":[{"ip":{"path_match":"*.ip","mapping":{"type":"ip"}}},{"text":{"match_mapping_type":"string","mapping":{"type":"keyword"}}}]}}`)}}))
				ts.Check(client.Do(t.Context(), es.Call{Op: "store an alert", Request: esapi.IndexRequest{Index: "logs-suricata.alerts-so",
					OpType: "create", Refresh: "true", Body: strings.NewReader(ts.ReadFile(args[0]))}}))
			},
			// asadmin and as nobody set whose credentials the next commands have; askey FILE uses an API key.
			"asadmin": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Setenv("DWELL_ELASTICSEARCH_API_KEY_FILE", "")
				ts.Setenv("DWELL_ELASTICSEARCH_USERNAME", cluster.Username)
				ts.Setenv("DWELL_ELASTICSEARCH_PASSWORD", cluster.Password)
			},
			"askey": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv("DWELL_ELASTICSEARCH_USERNAME", "")
				ts.Setenv("DWELL_ELASTICSEARCH_PASSWORD", "")
				ts.Setenv("DWELL_ELASTICSEARCH_API_KEY_FILE", ts.MkAbs(args[0]))
			},
		},
	})
}

// otherAuthority is the certificate of an authority that signed nothing here.
func otherAuthority(t *testing.T) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "somebody else"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// sequential runs subtests without Parallel.
type sequential struct{ *testing.T }

func (s sequential) Parallel() {}

func (s sequential) Run(name string, f func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { f(sequential{t}) })
}

func (s sequential) Verbose() bool { return testing.Verbose() }

// exits CODE PROGRAM ARGS... runs a program and demands its exit code, which testscript's exec cannot.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		status, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("run %s: %v", args[1], err)
		}
		code = strconv.Itoa(status.ExitCode())
	}
	if code != args[0] {
		ts.Fatalf("%v: exit code %s, want %s", args[1:], code, args[0])
	}
}

// await URL PATTERN asks until the answer matches, for a minute at most.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await URL PATTERN")
	}
	wanted := regexp.MustCompile(args[1])
	last := "no answer"
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		res, err := http.Get(args[0])
		if err != nil {
			last = err.Error()
			continue
		}
		b, err := io.ReadAll(res.Body)
		ts.Check(err)
		ts.Check(res.Body.Close())
		if last = string(b); wanted.Match(b) {
			return
		}
	}
	ts.Fatalf("%s never matched %s; the last answer was %s", args[0], args[1], last)
}
