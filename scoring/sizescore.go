package scoring

import (
	"math"
	"slices"
)

// SizeScore says how similar the connections' sizes are.
type SizeScore struct {
	// Share of the known sizes within 10% of the median, and at least within 32 bytes. 0 if Known is 0: unknown, not
	// bad.
	Share float64
	// Median of the known sizes, bytes, and how many were known.
	Median float64
	Known  int
}

// Factor multiplies a beacon score: 0.75 for sizes without a pattern, up to 1 for equal ones. Unknown sizes do not
// lower it.
func (z SizeScore) Factor() float64 {
	if z.Known == 0 {
		return 1
	}
	return 0.75 + 0.25*z.Share
}

// Size compares the sizes of the connections that start in the window. Absent sizes are left out.
func (sc *Scorer) Size(s Series, w Window) SizeScore {
	w = w.bounded()
	var z SizeScore
	if s.Size == nil {
		return z
	}
	sizes := sc.values[:0]
	for i, t := range s.Start {
		if t >= w.Start && t < w.End && s.Size[i] >= 0 {
			sizes = append(sizes, s.Size[i])
		}
	}
	sc.values = sizes
	z.Known = len(sizes)
	if z.Known == 0 {
		return z
	}
	sc.intScratch = sortDigits(sizes, sc.intScratch, 0)
	z.Median = median(sizes)
	near := max(32, 0.1*z.Median)
	from, _ := slices.BinarySearch(sizes, int64(math.Ceil(z.Median-near)))
	to, _ := slices.BinarySearch(sizes, int64(math.Floor(z.Median+near))+1)
	z.Share = float64(max(0, to-from)) / float64(z.Known)
	return z
}
