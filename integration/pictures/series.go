package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"dwell/integration/pictures/lens"
	"dwell/so-config/kibana"
)

// chart is the data of bars and lines: a number for each name at each place; NaN means none.
type chart struct {
	places []key
	names  []string
	at     map[string][]float64
}

// pivot makes a chart from rows: places from the first group, names from the second or else from the values.
func pivot(p kibana.Panel, rows []row) chart {
	c := chart{at: map[string][]float64{}}
	for _, r := range rows {
		if len(c.places) == 0 || c.places[len(c.places)-1] != r.Keys[0] {
			c.places = append(c.places, r.Keys[0])
		}
	}
	set := func(name string, place key, v float64) {
		if c.at[name] == nil {
			c.names = append(c.names, name)
			c.at[name] = slices.Repeat([]float64{math.NaN()}, len(c.places))
		}
		c.at[name][slices.Index(c.places, place)] = v
	}
	for _, r := range rows {
		for i, v := range r.Values {
			name := p.Values[i].Label
			if len(r.Keys) > 1 {
				name = r.Keys[1].Text
			}
			set(name, r.Keys[0], v)
		}
	}
	slices.SortStableFunc(c.names, func(a, b string) int { return rank(a) - rank(b) })
	return c
}

// height is the largest number drawn; for stacked bars, the largest sum.
func (c chart) height(stacked bool) float64 {
	top := 0.0
	for i := range c.places {
		sum := 0.0
		for _, n := range c.names {
			if v := c.at[n][i]; !math.IsNaN(v) {
				if top = max(top, v); stacked {
					sum += v
				}
			}
		}
		top = max(top, sum)
	}
	if top == 0 {
		return 1
	}
	return top
}

// step is a round distance between scale lines, with at most five above zero. It is round in the displayed unit, and
// whole for counts.
func step(top float64, format kibana.Format) float64 {
	unit, whole := 1.0, format == "" && top >= 1
	switch format {
	case kibana.Bytes:
		for top/unit >= 1024 {
			unit *= 1024
		}
	case kibana.Duration:
		for _, u := range []float64{60, 3600, 86400} {
			if top >= 2*u {
				unit = u
			}
		}
	}
	top /= unit
	s := math.Pow(10, math.Floor(math.Log10(top/3)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if top/(s*m) <= 5 {
			s *= m
			break
		}
	}
	if whole {
		s = max(math.Ceil(s), 1)
	}
	return s * unit
}

// series draws bars (stacked) or lines, with a scale on the left and times or names below.
func series(p kibana.Panel, rows []row, w, h float64) string {
	c := pivot(p, rows)
	byTime := !c.places[0].Time.IsZero()
	h -= 26 // the legend
	left, bottom := 62.0, h-20
	if !byTime {
		bottom = h - 52
	}
	top := c.height(p.Kind == kibana.Bars)
	each := step(top, lens.Format(p.Values[0]))
	y := func(v float64) float64 { return bottom - v/(math.Ceil(top/each-1e-9)*each)*(bottom-8) }
	wide := (w - left - 4) / float64(len(c.places))
	x := func(i int) float64 { return left + (float64(i)+0.5)*wide }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg width="%.0f" height="%.0f" role="img">`, w, h)
	for v := 0.0; v <= top+each*(1-1e-9); v += each {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%[3]f"/><text class="scale" x="%.1f" y="%.1f">%s</text>`,
			left, w, y(v), left-6, y(v)+4, esc(show(p.Values[0], v)))
	}
	b.WriteString(below(c, x, bottom, byTime))
	if p.Kind == kibana.Lines {
		for i, n := range c.names {
			b.WriteString(line(c.at[n], color(n, i), x, y))
		}
	} else {
		for i := range c.places {
			sum := 0.0
			for k, n := range c.names {
				v := c.at[n][i]
				if math.IsNaN(v) || v == 0 {
					continue
				}
				fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, color(n, k), x(i)-wide*0.4, y(sum+v), wide*0.8, y(sum)-y(sum+v))
				sum += v
			}
		}
	}
	b.WriteString("</svg>")
	if len(c.names) == 1 {
		return b.String()
	}
	return b.String() + legend(c.names, func(int) string { return "" })
}

// below is the axis: days for a time axis, otherwise each name, slanted.
func below(c chart, x func(int) float64, bottom float64, byTime bool) string {
	var b strings.Builder
	if !byTime {
		for i, k := range c.places {
			fmt.Fprintf(&b, `<text class="scale" x="%.1f" y="%.1f" transform="rotate(-32 %[1]f %[2]f)">%[3]s</text>`, x(i)+6, bottom+14, esc(k.Text))
		}
		return b.String()
	}
	last := time.Time{}
	for i, k := range c.places {
		if day := k.Time.Truncate(24 * time.Hour); day != last && i > 0 && i < len(c.places)-2 { // the last labels would be cut off
			fmt.Fprintf(&b, `<line class="grid" x1="%[1]f" x2="%[1]f" y1="%[2]f" y2="%[3]f"/><text class="day" x="%[1]f" y="%[4]f">%[5]s</text>`,
				x(i), bottom, bottom+4, bottom+17, day.Format("2 Jan"))
		}
		last = k.Time.Truncate(24 * time.Hour)
	}
	return b.String()
}

// line joins neighbors with values and marks each; like Lens it leaves gaps where there are none.
func line(values []float64, class string, x func(int) float64, y func(float64) float64) string {
	var path, dots strings.Builder
	move := "M"
	for i, v := range values {
		if math.IsNaN(v) {
			move = "M"
			continue
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", move, x(i), y(v))
		fmt.Fprintf(&dots, `<circle class="%s" cx="%.1f" cy="%.1f" r="2.5"/>`, class, x(i), y(v))
		move = "L"
	}
	return fmt.Sprintf(`<path class="line %s" d="%s"/>%s`, class, path.String(), dots.String())
}
