package rank

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/internal/tile"
	"dwell/scoring"
)

// fill gives every field of a value another value, whatever fields it has or will have.
func fill(v reflect.Value, next *int64) {
	*next++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(-*next)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(uint64(*next % 250))
	case reflect.Float64:
		v.SetFloat(float64(*next) / 7)
	case reflect.String:
		v.SetString("text " + time.Duration(*next).String())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), next)
		}
	case reflect.Struct:
		switch x := v.Addr().Interface().(type) {
		case *netip.Addr:
			*x = netip.AddrFrom4([4]byte{10, 1, byte(*next >> 8), byte(*next)})
		case *netip.Prefix:
			*x = netip.PrefixFrom(netip.MustParseAddr("2001:db8::"), 32)
		default:
			for i := range v.NumField() {
				fill(v.Field(i), next)
			}
		}
	}
}

// A key that was on the shelf is as it was: with every field set, with none, and with a zero where nil is possible.
func TestShelf(t *testing.T) {
	m := &material.Material{Window: hunt.Window{Start: time.UnixMilli(0), End: time.UnixMilli(86_400_000)}}
	s := &search{m: m, shelf: tile.NewShelf(t.TempDir(), "candidates", 1)}
	defer func() { require.NoError(t, s.shelf.Close()) }()
	full := func() *measured {
		out, next := &measured{rita: &scoring.RITAResult{}}, int64(0)
		for _, p := range []any{&out.PairKey, &out.kind, &out.beacon, &out.size, &out.long, &out.strobe, &out.totals, &out.port, &out.ports, &out.presence, &out.addresses,
			&out.count, &out.closing, &out.listed, &out.odd, &out.names, &out.hosts, &out.of, out.rita} {
			fill(reflect.ValueOf(p).Elem(), &next)
		}
		out.uses = []pairs.Use{{Addr: netip.MustParseAddr("2001:db8::1"), Connections: 7}, {Addr: netip.MustParseAddr("192.0.2.1"), Connections: 1}}
		out.timeline = hunt.NewTimeline([]int64{1, 1000, 5000, 86_399_999}, 0, 86_400_000)
		return out
	}
	v := reflect.ValueOf(full()).Elem()
	for i := range v.NumField() {
		require.False(t, v.Field(i).IsZero(), "%s is not set here: set it, and see that measured.code has it", v.Type().Field(i).Name)
	}
	var keys []*key
	for range 1000 { // more than a block
		keys = append(keys, &key{measured: full()}, &key{measured: &measured{}}, &key{measured: &measured{rita: &scoring.RITAResult{}, of: packed{}}})
	}
	s.shelve(keys)
	for i, k := range keys {
		require.Nil(t, k.measured)
		s.take(k)
		switch i % 3 {
		case 0:
			require.Equal(t, full(), k.measured)
		case 1:
			require.Empty(t, k.of)
			k.of = nil
			require.Equal(t, &measured{}, k.measured)
		default:
			require.Equal(t, &scoring.RITAResult{}, k.rita)
		}
		k.letGo()
		require.Nil(t, k.measured)
	}
	require.NoError(t, s.shelf.Err())
}

func BenchmarkShelf(b *testing.B) {
	m := &material.Material{Window: hunt.Window{Start: time.UnixMilli(0), End: time.UnixMilli(86_400_000)}}
	s := &search{m: m, shelf: tile.NewShelf(b.TempDir(), "candidates", 0)}
	k := &measured{timeline: hunt.NewTimeline([]int64{1, 1000, 5000, 86_399_999}, 0, 86_400_000)}
	var next int64
	fill(reflect.ValueOf(&k.beacon).Elem(), &next)
	for b.Loop() {
		one := &key{measured: k}
		s.shelve([]*key{one})
		s.take(one)
	}
}
