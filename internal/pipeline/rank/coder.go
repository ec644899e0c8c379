package rank

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"reflect"
)

// coder appends values to b, or reads them from there: what one code does for both cannot disagree.
type coder struct {
	b     []byte
	reads bool
}

// all codes what pointers point to: numbers, texts, addresses, and structures, arrays and slices of them. Structures
// must not have unexported fields.
func (c *coder) all(pointers ...any) {
	for _, p := range pointers {
		c.value(reflect.ValueOf(p).Elem())
	}
}

func (c *coder) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		n := uint64(0)
		if v.Bool() {
			n = 1
		}
		v.SetBool(c.number(n) != 0)
	case reflect.Int, reflect.Int64:
		n := v.Int()
		u := c.number(uint64(n)<<1 ^ uint64(n>>63)) // small if it is near zero, as in a varint
		v.SetInt(int64(u>>1) ^ -int64(u&1))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(c.number(v.Uint()))
	case reflect.Float64:
		v.SetFloat(math.Float64frombits(bits.ReverseBytes64(c.number(bits.ReverseBytes64(math.Float64bits(v.Float()))))))
	case reflect.String:
		v.SetString(string(c.bytes([]byte(v.String()))))
	case reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			copy(v.Bytes(), c.bytes(v.Bytes()))
			return
		}
		for i := range v.Len() {
			c.value(v.Index(i))
		}
	case reflect.Slice:
		if n := int(c.number(uint64(v.Len()))); c.reads && n > 0 { // no values are nil
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		for i := range v.Len() {
			c.value(v.Index(i))
		}
	case reflect.Struct:
		switch x := v.Addr().Interface().(type) {
		case *netip.Addr:
			*x, _ = netip.AddrFromSlice(c.bytes(x.AsSlice()))
		case *netip.Prefix:
			a, length := x.Addr(), x.Bits()
			c.all(&a, &length)
			*x = netip.PrefixFrom(a, length)
		default:
			for i := range v.NumField() {
				c.value(v.Field(i))
			}
		}
	default:
		panic("no code for " + v.Kind().String())
	}
}

// number codes a number: it appends n, or returns what it reads.
func (c *coder) number(n uint64) uint64 {
	if !c.reads {
		c.b = binary.AppendUvarint(c.b, n)
		return n
	}
	n, size := binary.Uvarint(c.b)
	c.b = c.b[size:]
	return n
}

func (c *coder) bytes(text []byte) []byte {
	n := c.number(uint64(len(text)))
	if !c.reads {
		c.b = append(c.b, text...)
		return text
	}
	text, c.b = c.b[:n:n], c.b[n:]
	return text
}
