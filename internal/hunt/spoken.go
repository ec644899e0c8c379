package hunt

// Spoken returns the protocols, by Zeek's names, that a port stands for; nil for ports without a fixed meaning.
func Spoken(port uint16, proto Transport) []string {
	switch {
	case proto == UDP:
		switch port {
		case 53:
			return []string{"dns"}
		case 123:
			return []string{"ntp"}
		case 443:
			return []string{"quic", "ssl"}
		}
	case proto == TCP:
		switch port {
		case 21:
			return []string{"ftp", "ftp-data", "ssl"}
		case 22:
			return []string{"ssh"}
		case 25, 587:
			return []string{"smtp", "ssl"}
		case 53:
			return []string{"dns"}
		case 80, 8080:
			return []string{"http"}
		case 110:
			return []string{"pop3", "ssl"}
		case 143:
			return []string{"imap", "ssl"}
		case 443, 853, 8443:
			return []string{"ssl"}
		case 465, 993, 995:
			return []string{"ssl", "smtp", "imap", "pop3"}
		case 3389:
			return []string{"rdp", "ssl"}
		}
	}
	return nil
}
