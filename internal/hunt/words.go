package hunt

import (
	"fmt"
	"time"
)

// Seconds prints a duration as people say it: 45s, 12m30s, 3h05m, 2d04h; less than a second is "0s".
func Seconds(s float64) string {
	d := time.Duration(s * float64(time.Second)).Truncate(time.Second)
	h, m, sec := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case h >= 48:
		return fmt.Sprintf("%dd%02dh", h/24, h%24)
	case h > 0:
		return fmt.Sprintf("%dh%02dm", h, m)
	case m > 0:
		return fmt.Sprintf("%dm%02ds", m, sec)
	}
	return fmt.Sprintf("%ds", sec)
}
