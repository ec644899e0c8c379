package output

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"dwell/internal/hunt"
)

// blocks are the eight heights of a bar; nothing is a dot, so that an empty hour is seen.
const (
	blocks  = "▁▂▃▄▅▆▇█"
	nothing = "·"
)

// DayLine draws how many starts (Unix ms) fall into each of n equal parts of the window, one block each: "▁·▃█".
// The highest bar is the largest count.
func DayLine(starts []int64, w hunt.Window, n int) string {
	counts := make([]int, n)
	begin, length := w.Start.UnixMilli(), w.Duration().Milliseconds()
	for _, s := range starts {
		if w.Contains(s) {
			counts[(s-begin)*int64(n)/length]++
		}
	}
	return bars(counts)
}

func bars(counts []int) string {
	top := slices.Max(counts)
	heights := []rune(blocks)
	var b strings.Builder
	for _, c := range counts {
		if c == 0 {
			b.WriteString(nothing)
			continue
		}
		b.WriteRune(heights[(c*len(heights)-1)/top])
	}
	return b.String()
}

// bin is one row of a histogram.
type bin struct {
	from, to float64 // seconds
	count    int
}

// Intervals draws the gaps between starts (Unix ms, ascending) as a histogram whose bins grow by a quarter of their
// size, so that a jitter of 20 % fills about two of them, whatever the period. At most rows bins are drawn: those with the most
// gaps; how many were left out is said.
func Intervals(w io.Writer, starts []int64, rows, width int) error {
	if len(starts) < 2 {
		_, err := fmt.Fprintln(w, "  no intervals: fewer than two connections")
		return err
	}
	bins := gaps(starts)
	total, drawn := len(starts)-1, 0
	slices.SortStableFunc(bins, func(a, b bin) int { return b.count - a.count })
	shown := bins[:min(rows, len(bins))]
	slices.SortFunc(shown, func(a, b bin) int {
		if a.from < b.from {
			return -1
		}
		return 1
	})
	top := 0
	for _, b := range shown {
		top = max(top, b.count)
	}
	for _, b := range shown {
		drawn += b.count
		bar := strings.Repeat("█", max(1, b.count*width/top))
		if _, err := fmt.Fprintf(w, "  %8s - %-8s %7s  %s\n", gapText(b.from), gapText(b.to), hunt.Count(b.count), bar); err != nil {
			return err
		}
	}
	if drawn < total {
		_, err := fmt.Fprintf(w, "  %s of %s intervals lie elsewhere\n", hunt.Count(total-drawn), hunt.Count(total))
		return err
	}
	return nil
}

// gaps counts the gaps in bins: below a second, then growing by 5/4 each.
func gaps(starts []int64) []bin {
	edges := []float64{0, 1}
	for edges[len(edges)-1] < 31*86400 {
		edges = append(edges, edges[len(edges)-1]*1.25)
	}
	counts := make([]int, len(edges))
	for i := range starts[1:] {
		gap := float64(starts[i+1]-starts[i]) / 1000
		at, found := slices.BinarySearch(edges, gap)
		if !found {
			at--
		}
		counts[min(at, len(counts)-1)]++
	}
	var out []bin
	for i, c := range counts {
		if c > 0 {
			out = append(out, bin{from: edges[i], to: edges[min(i+1, len(edges)-1)], count: c})
		}
	}
	return out
}

// gapText prints seconds in three figures or so: 0.8s, 42s, 7m05s, 3h05m.
func gapText(s float64) string {
	if s < 10 && s != float64(int(s)) {
		return fmt.Sprintf("%.1fs", s)
	}
	return hunt.Seconds((time.Duration(s*1000) * time.Millisecond).Round(time.Second).Seconds())
}
