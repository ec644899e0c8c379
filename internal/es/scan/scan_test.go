package scan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree reads a whole text with the scanner into encoding/json's representation.
func tree(s *Scanner) any {
	if s.Null() {
		return nil
	}
	switch s.peek() {
	case '{':
		out := map[string]any{}
		s.Object()
		for k, ok := s.Key(); ok; k, ok = s.Key() {
			key := string(k)
			out[key] = tree(s)
		}
		return out
	case '[':
		out := []any{}
		s.Array()
		for s.Elem() {
			out = append(out, tree(s))
		}
		return out
	case '"':
		return string(s.Text())
	case 't', 'f':
		return s.Bool()
	}
	return json.Number(s.Raw())
}

func reference(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
}

const sample = ` {"a":[1,-2.5e3,true,false,null,"x\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800y"],"":{},"b":[],"c":{"d":[[],[{}]]},"é":"ü"} `

func TestReadsWhatEncodingJSONReads(t *testing.T) {
	want, err := reference([]byte(sample))
	require.NoError(t, err)
	var s Scanner
	s.Reset([]byte(sample))
	require.Equal(t, want, tree(&s))
	require.True(t, s.End())
}

func TestErrorsStickAndSayWhere(t *testing.T) {
	for _, bad := range []string{
		``, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `{,}`, `{,"a":1}`, `{"a":1,,"b":2}`, `{"a":1"b":2}`, `{"a":1 "b":2}`, `[1,]`, `[1 2]`, `[,1]`, `["\x"]`,
		`["\u12g4"]`, `["\u1"]`, `["`, "[\"a\nb\"]", "[\"\\n\x01\"]", `[tru]`, `[nul]`, `{"a":1}}`, `[1]x`, `["a\`, `[}`,
	} {
		t.Run(bad, func(t *testing.T) {
			var s Scanner
			s.Reset([]byte(bad))
			tree(&s)
			s.End()
			require.ErrorContains(t, s.Err(), "at byte ")
			first := s.Err()
			require.False(t, s.Object())
			require.False(t, s.Elem())
			require.Zero(t, s.Int())
			require.Nil(t, s.Raw())
			require.Equal(t, first, s.Err())
		})
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		text   string
		whole  int64
		scaled int64
		bad    bool // As a whole number.
		worse  bool // Scaled as well.
	}{
		{text: "0"}, {text: "-1", whole: -1, scaled: -1000}, {text: "42", whole: 42, scaled: 42000}, {text: " 7", whole: 7, scaled: 7000},
		{text: "9223372036854775807", whole: math.MaxInt64, worse: true},
		{text: "9223372036854775808", bad: true, worse: true},
		{text: "1.5", scaled: 1500, bad: true}, {text: "0.0009", scaled: 0, bad: true}, {text: "1e3", scaled: 1000000, bad: true}, {text: " -2.25", scaled: -2250, bad: true},
		{text: "1e300", bad: true, worse: true}, {text: "01", bad: true, worse: true}, {text: "-", bad: true, worse: true},
		{text: "1.5.5", bad: true, worse: true}, {text: `"1"`, bad: true, worse: true}, {text: "", bad: true, worse: true},
	} {
		t.Run(c.text, func(t *testing.T) {
			var s Scanner
			s.Reset([]byte(c.text))
			n := s.Int()
			require.Equal(t, c.bad, s.Err() != nil, "%v", s.Err())
			if !c.bad {
				require.Equal(t, c.whole, n)
			}
			s.Reset([]byte(c.text))
			n = s.Scaled()
			require.Equal(t, c.worse, s.Err() != nil, "%v", s.Err())
			if !c.worse {
				require.Equal(t, c.scaled, n)
				require.True(t, s.End())
			}
		})
	}
}

func TestRawGivesTheTextOfOneValue(t *testing.T) {
	for _, v := range []string{`{"a":"}]\"\\","b":[{"c":1}]}`, `[]`, `"a\\"`, `"\\\""`, `-1.5e3`, `true`, `null`} {
		var s Scanner
		s.Reset([]byte(`[` + v + `,1]`))
		s.Array()
		s.Elem()
		require.Equal(t, v, string(s.Raw()))
		require.True(t, s.Elem())
		require.EqualValues(t, 1, s.Int())
		require.False(t, s.Elem())
		require.True(t, s.End())
	}
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	var s Scanner
	s.Reset([]byte(deep))
	s.Skip()
	require.ErrorContains(t, s.Err(), "nested too deeply")
	for _, bad := range []string{`[}`, `{"a":[}`, `"a`, `[[]`, `?`} {
		s.Reset([]byte(bad))
		s.Skip()
		require.Error(t, s.Err(), bad)
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	text := []byte(`{"a":[1,2,3,"x",{"b":null}],"c":"long enough to be a string on its own","d":true}`)
	var s Scanner
	require.Zero(t, testing.AllocsPerRun(100, func() {
		s.Reset(text)
		s.Object()
		for _, ok := s.Key(); ok; _, ok = s.Key() {
			s.Skip()
		}
	}))
	require.NoError(t, s.Err())
}

// FuzzScan: what encoding/json accepts reads the same here, nothing panics, and Skip agrees with reading on valid text.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{sample, `{"a":1}`, `[1,2`, `"\ud800\u0041"`, `{"a":{"b":[null]}}`, "[\"\xff\"]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s Scanner
		s.Reset(b)
		got := tree(&s)
		s.End()
		if !json.Valid(b) {
			return
		}
		require.NoError(t, s.Err())
		want, err := reference(b)
		require.NoError(t, err)
		// encoding/json replaces invalid UTF-8; this scanner passes it on.
		if bytes.Equal(bytes.ToValidUTF8(b, nil), b) {
			require.Equal(t, fmt.Sprint(want), fmt.Sprint(got))
		}
		s.Reset(b)
		s.Skip()
		require.True(t, s.End())
	})
}
