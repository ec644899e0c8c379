package sodoc

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTSVBecomesTheJSONThatZeekWouldWrite(t *testing.T) {
	c := Columns{Names: []string{"ts", "uid", "n", "ok", "tags", "ttls", "text", "gone"},
		Types: []string{"time", "string", "count", "bool", "set[string]", "vector[interval]", "string", "count"}}
	for _, tc := range []struct{ line, want string }{
		{"1700000000.123456\tC1\t7\tT\ta,b\\x2cc\t1.000000,-\tx\\x09\"y\\\\z\t-", `{"ts":1700000000.123456,"uid":"C1","n":7,"ok":true,"tags":["a","b,c"],"ttls":[1.000000,null],"text":"x\t\"y\\\\z"}`},
		{"0.5\tC1\t0\tF\t(empty)\t(empty)\t(empty)\t3", `{"ts":0.5,"uid":"C1","n":0,"ok":false,"tags":[],"ttls":[],"text":"","gone":3}`},
		{"-\t-\t-\t-\t-\t-\t\\x2d\t-", `{"text":"-"}`},
	} {
		b, err := c.AppendLine([]byte("kept"), []byte(tc.line))
		require.NoError(t, err)
		require.Equal(t, "kept"+tc.want, string(b))
		require.True(t, json.Valid(b[4:]))
	}
	for line, want := range map[string]string{
		"1\t2": "2 cells", "x\tC\t1\tT\t-\t-\t-\t-": "ts: ", "1\tC\t1.\tT\t-\t-\t-\t-": "n: ", "1\tC\t01\tT\t-\t-\t-\t-": "n: ",
		"1\tC\t1\tY\t-\t-\t-\t-": "ok: ", "1\tC\t1\tT\t-\tq\t-\t-": "ttls: ",
	} {
		b, err := c.AppendLine([]byte("kept"), []byte(line))
		require.ErrorContains(t, err, want)
		require.Equal(t, "kept", string(b))
	}
}

func FuzzColumns(f *testing.F) {
	f.Add("1.5\tC1\ta,b", "time\tstring\tset[string]")
	f.Add("-1\t\\x22\\x0\t(empty)", "count\tstring\tvector[count]")
	f.Add("T\t\xff\"\t1,-", "bool\taddr\tset[set[int]]")
	f.Fuzz(func(t *testing.T, line, types string) {
		c := Columns{Names: []string{"a", "b", "c"}, Types: strings.Split(types, "\t")}
		b, err := c.AppendLine(nil, []byte(line))
		if err != nil {
			if len(b) != 0 {
				t.Fatalf("an error and yet %q", b)
			}
			return
		}
		if !json.Valid(b) {
			t.Fatalf("%q became %q", line, b)
		}
	})
}
