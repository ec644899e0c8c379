package log

import (
	"bytes"
	"net/netip"
	"time"
	"unsafe"
)

// micro is the number of microseconds in a second: Zeek writes times and intervals with six decimals.
const micro = 1_000_000

// year5000 is a time, in microseconds, at or after which seconds must have been milliseconds.
const year5000 = 95_617_584_000 * micro

// parseSeconds reads a decimal number of seconds ("1517336042.090842", "5.0e-06") as microseconds, exactly: it
// truncates below a microsecond, never rounds, and uses no floating point.
func parseSeconds(b []byte) (us int64, ok bool) {
	var whole int64
	i := 0
	for ; i < len(b); i++ {
		d := b[i] - '0'
		if d > 9 {
			break
		}
		whole = whole*10 + int64(d)
	}
	if i == 0 || i > 12 {
		return parseScientific(b)
	}
	if i == len(b) {
		return whole * micro, true
	}
	if b[i] != '.' || i+1 == len(b) {
		return parseScientific(b)
	}
	i++
	var frac, digits int64
	for ; i < len(b); i++ {
		d := b[i] - '0'
		if d > 9 {
			return parseScientific(b)
		}
		if digits < 6 {
			frac = frac*10 + int64(d)
			digits++
		}
	}
	for ; digits < 6; digits++ {
		frac *= 10
	}
	return whole*micro + frac, true
}

// parseScientific is parseSeconds for the rare spellings: signs, exponents, very many digits.
func parseScientific(b []byte) (us int64, ok bool) {
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		b = b[1:]
	}
	var mantissa int64
	scale, digits, i := 0, 0, 0
	point := false
	for ; i < len(b); i++ {
		if b[i] == '.' {
			if point {
				return 0, false
			}
			point = true
			continue
		}
		d := b[i] - '0'
		if d > 9 {
			break
		}
		digits++
		if mantissa < 1e17 {
			mantissa = mantissa*10 + int64(d)
			if point {
				scale--
			}
		} else if !point {
			scale++
		}
	}
	if digits == 0 || b[i-1] == '.' {
		return 0, false
	}
	if i < len(b) {
		exponent, ok := parseExponent(b[i:])
		if !ok {
			return 0, false
		}
		scale += exponent
	}
	for scale += 6; scale > 0 && mantissa != 0; scale-- {
		if mantissa > (1<<62)/10 {
			return 0, false
		}
		mantissa *= 10
	}
	for ; scale < 0 && mantissa != 0; scale++ {
		mantissa /= 10
	}
	if negative {
		mantissa = -mantissa
	}
	return mantissa, true
}

func parseExponent(b []byte) (int, bool) {
	if b[0] != 'e' && b[0] != 'E' {
		return 0, false
	}
	b = b[1:]
	sign := 1
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		if b[0] == '-' {
			sign = -1
		}
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 4 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return sign * n, true
}

// parseInterval reads seconds, or other tools' spelling ("1m30.5s", "250ms"), as microseconds.
func parseInterval(b []byte) (us int64, ok bool) {
	if us, ok = parseSeconds(b); ok || len(b) == 0 || b[len(b)-1] != 's' {
		return us, ok
	}
	d, err := time.ParseDuration(string(b))
	return d.Microseconds(), err == nil
}

// parseTime reads a time as microseconds since 1970: epoch seconds; ISO 8601 or epoch milliseconds, which Zeek's JSON
// has on request (LogAscii::json_timestamps); micro- and nanoseconds, which shippers make of them; or the time of
// Kibana's CSV exports.
func parseTime(b []byte) (us int64, ok bool) {
	if kibanaTime(b) {
		at, err := time.Parse("Jan 2, 2006 @ 15:04:05.999999999", string(b))
		return at.UnixMicro(), err == nil && at.UnixMicro() >= 0
	}
	if len(b) > 10 && b[4] == '-' {
		return parseISO(b)
	}
	us, ok = parseSeconds(b)
	if !ok && len(b) > 14 && len(b) < 20 {
		n, whole := digits(b)
		if len(b) > 17 {
			n /= 1000
		}
		return int64(n), whole
	}
	if us >= year5000 {
		us /= 1000
	}
	return us, ok && us >= 0
}

// kibanaTime says whether a time is as Kibana shows it. It has no zone: it is that of a browser or of Kibana's settings.
func kibanaTime(b []byte) bool {
	return len(b) > 20 && b[0] >= 'A' && b[0] <= 'Z' && bytes.Contains(b, []byte(" @ "))
}

// parseISO reads 2006-01-02T15:04:05[.999999][Z| UTC|+01:00|+0100|+01]; without a zone the time is UTC, as Zeek writes it.
func parseISO(b []byte) (us int64, ok bool) {
	if len(b) < 19 || b[4] != '-' || b[7] != '-' || (b[10]|0x20 != 't' && b[10] != ' ') || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	year, ok0 := digits(b[0:4])
	month, ok1 := digits(b[5:7])
	day, ok2 := digits(b[8:10])
	hour, ok3 := digits(b[11:13])
	minute, ok4 := digits(b[14:16])
	second, ok5 := digits(b[17:19])
	if !ok0 || !ok1 || !ok2 || !ok3 || !ok4 || !ok5 ||
		year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	us = time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC).Unix() * micro
	b = b[19:]
	if len(b) > 1 && b[0] == '.' {
		unit := int64(micro / 10)
		for b = b[1:]; len(b) > 0 && b[0] >= '0' && b[0] <= '9'; b = b[1:] {
			us += int64(b[0]-'0') * unit
			unit /= 10
		}
	}
	offset, ok := parseZone(b)
	us -= offset
	return us, ok && us >= 0
}

// parseZone reads the end of an ISO time as microseconds east of UTC.
func parseZone(b []byte) (us int64, ok bool) {
	if len(b) == 0 || (len(b) == 1 && b[0]|0x20 == 'z') || string(b) == " UTC" {
		return 0, true
	}
	if b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	sign := int64(1)
	if b[0] == '-' {
		sign = -1
	}
	b = b[1:]
	if len(b) == 5 && b[2] == ':' {
		b = []byte{b[0], b[1], b[3], b[4]}
	}
	if len(b) == 2 { // as PostgreSQL writes it
		b = []byte{b[0], b[1], '0', '0'}
	}
	if len(b) != 4 {
		return 0, false
	}
	hours, ok0 := digits(b[:2])
	minutes, ok1 := digits(b[2:])
	return sign * int64(hours*3600+minutes*60) * micro, ok0 && ok1 && hours < 24 && minutes < 60
}

func digits(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// parseCount reads a Zeek count, also from JSON writers that know only floating point ("1024.0", "1e3").
func parseCount(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return parseFloatCount(b)
	}
	for _, c := range b {
		d := c - '0'
		if d > 9 {
			return parseFloatCount(b)
		}
		n = n*10 + int64(d)
	}
	return n, true
}

func parseFloatCount(b []byte) (n int64, ok bool) {
	us, ok := parseScientific(b)
	if !ok || us < 0 || us%micro != 0 {
		return 0, false
	}
	return us / micro, true
}

// parsePort reads 0 to 65535.
// It ignores a transport after it ("443/tcp"), which Zeek's own scripts print.
func parsePort(b []byte) (uint16, bool) {
	if at := bytes.IndexByte(b, '/'); at > 0 {
		b = b[:at]
	}
	n, ok := parseCount(b)
	return uint16(n), ok && n <= 65535
}

// ParseAddr reads an IPv4 or IPv6 address. IPv4-mapped IPv6 becomes IPv4; a zone is dropped, since no network of a
// scope has one. A NAT64 address stays as logged, since people search for it so: lists and owners know it by
// hunt.PlainAddr.
func ParseAddr(b []byte) (netip.Addr, bool) {
	if a, ok := parseIPv4(b); ok {
		return a, true
	}
	if len(b) < 2 || len(b) > 64 || bytes.IndexByte(b, ':') < 0 {
		return netip.Addr{}, false
	}
	// ParseAddr keeps its text only in the error, which is dropped here
	a, err := netip.ParseAddr(unsafe.String(&b[0], len(b)))
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

// parseIPv4 reads four decimal numbers without leading zeros, as netip does, on bytes.
func parseIPv4(b []byte) (netip.Addr, bool) {
	var quad [4]byte
	i := 0
	for part := range 4 {
		if part > 0 {
			if i == len(b) || b[i] != '.' {
				return netip.Addr{}, false
			}
			i++
		}
		start, n := i, 0
		for i < len(b) && i-start < 3 {
			d := b[i] - '0'
			if d > 9 {
				break
			}
			n = n*10 + int(d)
			i++
		}
		if i == start || n > 255 || (i-start > 1 && b[start] == '0') {
			return netip.Addr{}, false
		}
		quad[part] = byte(n)
	}
	return netip.AddrFrom4(quad), i == len(b)
}
