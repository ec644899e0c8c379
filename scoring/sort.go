package scoring

import "slices"

// radixFrom is the length at or above which sorting by digits is faster than comparing.
const radixFrom = 192

// sortDigits sorts non-negative numbers by their bits above shift; numbers that agree there keep their order. Short
// lists are compared whole, so the bits below shift must already ascend. It returns the scratch, grown if needed.
func sortDigits[T ~int64 | ~uint64](v, scratch []T, shift uint) []T {
	if len(v) < radixFrom {
		slices.Sort(v)
		return scratch
	}
	highest := T(0)
	for _, x := range v {
		highest |= x
	}
	scratch = slices.Grow(scratch[:0], len(v))[:len(v)]
	from, to := v, scratch
	for ; highest>>shift != 0; shift += 8 {
		var next [256]int32
		for _, x := range from {
			next[uint8(x>>shift)]++
		}
		if next[uint8(from[0]>>shift)] == int32(len(from)) {
			continue // all agree in this digit
		}
		at := int32(0)
		for d, n := range next {
			next[d] = at
			at += n
		}
		for _, x := range from {
			d := uint8(x >> shift)
			to[next[d]] = x
			next[d]++
		}
		from, to = to, from
	}
	if &from[0] != &v[0] {
		copy(v, from)
	}
	return scratch
}
