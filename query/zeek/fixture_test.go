package zeek

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

const tsvHeader = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#open\t2024-06-01-00-00-00\n" +
	"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\torig_ip_bytes\ttunnel_parents\n" +
	"#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tcount\tset[string]\n"

// epoch is the start of the test's logs, 2024-06-01T00:00:00Z.
const epoch = 1717200000

// row is the n-th line of a test's log: one connection a minute.
func row(n int) string {
	return fmt.Sprintf("%d.%06d\tC%017d\t10.0.0.%d\t%d\t203.0.113.7\t443\ttcp\tssl\t1.500000\t100\t2000\tSF\t%d\t-\n",
		epoch+60*n, n, n, 1+n%250, 1024+n, 300+n)
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func rows(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		b.WriteString(row(i))
	}
	return b.String()
}

// wantRow is what row(n) means.
func wantRow(n int) hunt.Connection {
	return hunt.Connection{Start: int64(epoch+60*n)*1000 + int64(n/1000), Duration: 1500, OrigBytes: 100, RespBytes: 2000,
		OrigIPBytes: int64(300 + n), Count: 1, Src: addr(fmt.Sprintf("10.0.0.%d", 1+n%250)), Dst: addr("203.0.113.7"),
		Service: "ssl", SrcPort: uint16(1024 + n), DstPort: 443, Proto: hunt.TCP, UID: hunt.NewUID(fmt.Appendf(nil, "C%017d", n))}
}

func wantRows(from, to int) (out []hunt.Connection) {
	for i := from; i < to; i++ {
		out = append(out, wantRow(i))
	}
	return out
}

func gz(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(s))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func zst(t testing.TB, s string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return string(w.EncodeAll([]byte(s), nil))
}

// directory writes files and gives the directory that holds them.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return dir
}

func sorted(cs []hunt.Connection) []hunt.Connection {
	slices.SortFunc(cs, func(a, b hunt.Connection) int {
		if a.Start != b.Start {
			return int(a.Start - b.Start)
		}
		return strings.Compare(a.UID.String(), b.UID.String())
	})
	return cs
}

func equal(t testing.TB, want, got []hunt.Connection) {
	t.Helper()
	if d := cmp.Diff(want, sorted(got), cmp.Comparer(func(a, b hunt.Connection) bool { return a == b })); d != "" {
		t.Fatalf("connections differ (-want +got):\n%s", d)
	}
}

func said(notes []hunt.Note) string {
	var b strings.Builder
	for _, n := range notes {
		b.WriteString(n.String() + "\n")
	}
	return b.String()
}

func outbound() hunt.Request { return hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)} }

func readError(t testing.TB, req hunt.Request, paths ...string) error {
	t.Helper()
	_, err := New(Options{Paths: paths}).Read(context.Background(), req, func([]hunt.Connection) error { return nil })
	require.Error(t, err)
	return err
}
