package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestEveryFieldHasItsKey(t *testing.T) {
	var fields []string
	walk(reflect.TypeFor[Config](), "", &fields)
	var keys []string
	for _, k := range Keys() {
		keys = append(keys, k.Name)
		require.NotEmpty(t, k.About, k.Name)
	}
	require.ElementsMatch(t, fields, keys)
}

func walk(t reflect.Type, prefix string, out *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := prefix + f.Tag.Get("mapstructure")
		switch f.Type.Kind() {
		case reflect.Struct:
			walk(f.Type, name+".", out)
		case reflect.Map: // one key a term
			for _, term := range evidence.Terms() {
				*out = append(*out, name+"."+term.Name)
			}
		default:
			*out = append(*out, name)
		}
	}
}

func TestWeights(t *testing.T) {
	l, err := Load(Options{File: write(t, "weights:\n  rare: 0.3\n  known: -0.15\n")})
	require.NoError(t, err)
	require.Equal(t, evidence.Weights{"rare": 0.3}, l.ChangedWeights(), "what is as it was does not change a hunt's revision")
	l, err = Load(Options{File: write(t, ""), Environ: []string{"DWELL_WEIGHTS_NEW=0"}})
	require.NoError(t, err)
	require.Equal(t, evidence.Weights{"new": 0}, l.ChangedWeights())
	_, err = Load(Options{File: write(t, "weights:\n  rare: 1.5\n")})
	require.ErrorContains(t, err, "weights.rare: 1.5 is not between -1 and 1")
	_, err = Load(Options{File: write(t, "weights:\n  rara: 0.5\n")})
	require.ErrorContains(t, err, "weights.rara: no such setting (did you mean weights.rare?)")
}

func TestDefaultsAreValid(t *testing.T) {
	l, err := Load(Options{File: write(t, "")})
	require.NoError(t, err)
	require.Equal(t, 5*time.Minute, l.Query.Settle)
	require.Empty(t, l.Hunt.Internal)
	for _, s := range l.Settings() {
		require.Equal(t, "default", s.Origin, s.Key)
	}
}

func TestOrderOfOrigins(t *testing.T) {
	file := write(t, "hunt:\n  since: 7d\n  min_score: 0.5\n  internal: [192.0.2.0/24]\nquery:\n  settle: 10m\n  concurrency: 3\n")
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.String("since", "", "")
	require.NoError(t, flags.Parse([]string{"--since", "12h"}))
	l, err := Load(Options{
		File: file, Environ: []string{"DWELL_HUNT_SINCE=72h", "DWELL_HUNT_MIN_SCORE=0.6", "DWELL_ELASTICSEARCH_ADDRESSES=https://a:9200, https://b:9200"},
		Flags: map[string]*pflag.Flag{"hunt.since": flags.Lookup("since")},
		Set:   []string{"query.concurrency=4"},
	})
	require.NoError(t, err)
	require.Equal(t, 12*time.Hour, l.Hunt.Since)
	require.Equal(t, 0.6, l.Hunt.MinScore)
	require.Equal(t, 10*time.Minute, l.Query.Settle)
	require.Equal(t, 4, l.Query.Concurrency)
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, l.Hunt.Internal)
	require.Equal(t, []string{"https://a:9200", "https://b:9200"}, l.Elasticsearch.Addresses)
	origins := map[string]string{}
	for _, s := range l.Settings() {
		origins[s.Key] = s.Origin
	}
	require.Equal(t, "flag --since", origins["hunt.since"])
	require.Equal(t, "environment DWELL_HUNT_MIN_SCORE", origins["hunt.min_score"])
	require.Equal(t, "file "+file, origins["query.settle"])
	require.Equal(t, "flag --set", origins["query.concurrency"])
	require.Equal(t, "default", origins["query.index"])
}

func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		env, set   []string
		want       []string
	}{
		{name: "unknown key", file: "elasticsearch:\n  adresses: [https://a:9200]\n", want: []string{"elasticsearch.adresses: no such setting (did you mean elasticsearch.addresses?)"}},
		{name: "unknown section", file: "hnut:\n  since: 1d\n", want: []string{"hnut: no such setting"}},
		{name: "unitless duration", file: "hunt:\n  since: 24\n", want: []string{"hunt.since: 24 has no unit"}},
		{name: "unitless duration in the environment", env: []string{"DWELL_HUNT_SINCE=24"}, want: []string{`hunt.since: "24" is not a duration`}},
		{name: "bad CIDR", file: "hunt:\n  internal: [10.0.0.0/40]\n", want: []string{"hunt.internal", `"10.0.0.0/40" is not a network`}},
		{name: "CIDR with host bits", file: "hunt:\n  internal: [10.1.2.3/8]\n", want: []string{"did you mean 10.0.0.0/8?"}},
		{name: "several at once", file: "hunt:\n  direction: sideways\n  min_score: 2\n", want: []string{"hunt.direction", "hunt.min_score: 2 is not between 0 and 1"}},
		{name: "unknown variable", env: []string{"DWELL_HUNT_SINSE=24h"}, want: []string{"DWELL_HUNT_SINSE sets nothing"}},
		{name: "secret as a flag", set: []string{"elasticsearch.api_key=abc"}, want: []string{"elasticsearch.api_key: a secret is not taken from the command line"}},
		{name: "unknown --set", set: []string{"hunt.sinse=1h"}, want: []string{"hunt.sinse: no such setting (did you mean hunt.since?)"}},
		{name: "password in the address", set: []string{"elasticsearch.addresses=https://u:p@a:9200"}, want: []string{"carries a password"}},
		{name: "no scheme", set: []string{"elasticsearch.addresses=manager:9200"}, want: []string{"want https://host:9200"}},
		{name: "secret given twice", file: "elasticsearch:\n  api_key: abc\n  api_key_file: /nowhere\n", want: []string{"elasticsearch.api_key: given twice"}},
		{name: "secret file missing", file: "elasticsearch:\n  api_key_file: /nowhere\n", want: []string{"elasticsearch.api_key_file: open /nowhere"}},
		{name: "not YAML", file: "hunt: [", want: []string{"read configuration"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load(Options{File: write(t, tc.file), Environ: tc.env, Set: tc.set})
			require.Error(t, err)
			for _, w := range tc.want {
				require.ErrorContains(t, err, w)
			}
			require.NotContains(t, err.Error(), "u:p")
		})
	}
}

func TestSecretsAreReadAndMasked(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "elasticsearch.api_key"), []byte("c2VjcmV0\n"), 0o600))
	l, err := Load(Options{File: write(t, ""), Environ: []string{"CREDENTIALS_DIRECTORY=" + dir}})
	require.NoError(t, err)
	require.Equal(t, "c2VjcmV0", l.Elasticsearch.APIKey)
	for _, s := range l.Settings() {
		require.NotContains(t, s.Value, "c2VjcmV0")
		if s.Key == "elasticsearch.api_key" {
			require.Equal(t, Setting{Key: s.Key, Value: "(set)", Origin: "systemd credential elasticsearch.api_key"}, s)
		}
	}
}

// An administrator's user in the environment overrides the service's key from the file, and a missing key file's error
// says how to create it.
func TestCredentialsOfOneRun(t *testing.T) {
	key := filepath.Join(t.TempDir(), "api_key")
	file := write(t, "elasticsearch:\n  api_key_file: "+key+"\n")
	_, err := Load(Options{File: file})
	require.ErrorContains(t, err, "dwell install --create-key "+key)
	admin := []string{"DWELL_ELASTICSEARCH_USERNAME=so_elastic", "DWELL_ELASTICSEARCH_PASSWORD=secret"}
	l, err := Load(Options{File: file, Environ: admin})
	require.NoError(t, err)
	require.Equal(t, "so_elastic", l.Elasticsearch.Username)
	require.NoError(t, os.WriteFile(key, []byte("c2VjcmV0"), 0o600))
	l, err = Load(Options{File: file, Environ: admin})
	require.NoError(t, err)
	require.Empty(t, l.Elasticsearch.APIKey)
	l, err = Load(Options{File: file})
	require.NoError(t, err)
	require.Equal(t, "c2VjcmV0", l.Elasticsearch.APIKey)
	l, err = Load(Options{File: file, Environ: append(admin, "DWELL_ELASTICSEARCH_API_KEY_FILE="+key)})
	require.NoError(t, err)
	require.Equal(t, "c2VjcmV0", l.Elasticsearch.APIKey, "a key for this one run is meant")
}

func TestReadableSecretWarns(t *testing.T) {
	path := write(t, "elasticsearch:\n  api_key: abc\n")
	require.NoError(t, os.Chmod(path, 0o644))
	l, err := Load(Options{File: path})
	require.NoError(t, err)
	require.Len(t, l.Warnings, 1)
	require.Contains(t, l.Warnings[0], "chmod 600")
}

// A readable key file is warned about, and an invalid key is an error with the file's name.
func TestReadableKeyFileWarns(t *testing.T) {
	key := filepath.Join(t.TempDir(), "api_key")
	require.NoError(t, os.WriteFile(key, []byte("c2VjcmV0\n"), 0o644))
	file := write(t, "elasticsearch:\n  api_key_file: "+key+"\n")
	l, err := Load(Options{File: file})
	require.NoError(t, err)
	require.Equal(t, []string{key + " holds a secret and can be read by others (mode 0644): chmod 600 " + key}, l.Warnings)
	require.NoError(t, os.Chmod(key, 0o640))
	l, err = Load(Options{File: file})
	require.NoError(t, err)
	require.Empty(t, l.Warnings, "the group of the service may read it")
	require.NoError(t, os.WriteFile(key, []byte("c2Vj\ncmV0\n"), 0o600))
	_, err = Load(Options{File: file})
	require.ErrorContains(t, err, "api_key_file: "+key+" holds more than one line")
}

// Neither errors nor `dwell config` show a password or a feed's key, however the address is written.
func TestAddressesShowNoSecret(t *testing.T) {
	for _, address := range []string{"u:S3CRETPW@127.0.0.1:9200", "https://u:S3CRETPW@127.0.0.1:9200", "ftp://u:S3CRETPW@host", "S3CRETPW@host", "https//u:S3CRETPW@host"} {
		_, err := Load(Options{File: write(t, ""), Environ: []string{"DWELL_ELASTICSEARCH_ADDRESSES=" + address}})
		require.Error(t, err, address)
		require.NotContains(t, err.Error(), "S3CRETPW", address)
	}
	l, err := Load(Options{File: write(t, ""), Set: []string{"evidence.intel=https://u:S3CRETPW@h.example/list.csv?key=TOPSECRET#ip,iocs.txt"}})
	require.NoError(t, err)
	for _, s := range l.Settings() {
		if s.Key == "evidence.intel" {
			require.Equal(t, "https://...@h.example/list.csv?...#ip,iocs.txt", s.Value)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "90s": 90 * time.Second, "0s": 0, "0.5d": 12 * time.Hour} {
		got, err := ParseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "24", "0", "d", "-1d", "1d0", "7 days", "NaNd"} {
		_, err := ParseDuration(text)
		require.Error(t, err, text)
	}
}
