package rules

// services are names of ports (IANA, "Service Name and Transport Protocol Port
// Number Registry", and names in common use). They are part of the language
// and never those of the host, so that a file means the same everywhere.
var services = namesOf(`
	tcpmux 1 echo 7 discard 9 systat 11 daytime 13 netstat 15 qotd 17 chargen 19 ftp-data 20 ftp 21 ssh 22 telnet 23
	smtp 25 time 37 whois 43 tacacs 49 domain 53 dns 53 bootps 67 dhcp-server 67 bootpc 68 dhcp-client 68 tftp 69 gopher 70
	finger 79 http 80 kerberos 88 iso-tsap 102 pop2 109 pop3 110 sunrpc 111 portmapper 111 ident 113 sftp 115 nntp 119
	ntp 123 epmap 135 netbios-ns 137 netbios-dgm 138 netbios-ssn 139 imap 143 snmp 161 snmptrap 162 snmp-trap 162
	xdmcp 177 bgp 179 irc 194 qmtp 209 ipx 213 imap3 220 bgmp 264 ldap 389 https 443 snpp 444 microsoft-ds 445 smb 445
	kpasswd 464 urd 465 smtps 465 submissions 465 isakmp 500 ike 500 exec 512 login 513 who 513 shell 514 syslog 514
	printer 515 lpd 515 talk 517 ntalk 518 rip 520 ripng 521 timed 525 uucp 540 klogin 543 kshell 544 dhcpv6-client 546
	dhcpv6-server 547 rtsp 554 nntps 563 submission 587 ipp 631 ldaps 636 ldp 646 msdp 639 olsr 698 silc 706
	netconf-ssh 830 netconf 830 domain-s 853 dns-over-tls 853 rsync 873 ftps-data 989 ftps 990 telnets 992 imaps 993
	ircs 994 pop3s 995 socks 1080 openvpn 1194 lotusnote 1352 ms-sql-s 1433 mssql 1433 ms-sql-m 1434 oracle 1521
	l2tp 1701 pptp 1723 radius 1812 radius-acct 1813 ssdp 1900 hsrp 1985 nfs 2049 dict 2628 zookeeper 2181
	docker 2375 docker-s 2376 etcd-client 2379 etcd-server 2380 gsiftp 2811 webcache 8080 http-alt 8080 https-alt 8443
	squid 3128 iscsi 3260 mysql 3306 rdp 3389 ms-wbt-server 3389 stun 3478 turn 3478 bfd-control 3784 bfd-echo 3785
	svn 3690 diameter 3868 epmd 4369 ipsec-nat-t 4500 vxlan 4789 sip 5060 sips 5061 xmpp-client 5222
	xmpp-server 5269 mdns 5353 llmnr 5355 postgresql 5432 postgres 5432 amqps 5671 amqp 5672 coap 5683 coaps 5684
	vnc 5900 winrm 5985 winrms 5986 x11 6000 redis 6379 geneve 6081 gre-in-udp 4754 ircd 6667 ircs-u 6697
	bittorrent 6881 cassandra 9042 prometheus 9090 jetdirect 9100 elasticsearch 9200 memcached 11211 memcache 11211
	mqtt 1883 mqtts 8883 mongodb 27017 kubelet 10250 zabbix-agent 10050 zabbix-trapper 10051 wireguard 51820
	influxdb 8086 consul 8500 nats 4222 kafka 9092 minecraft 25565 steam 27015 quake 26000 git 9418 distcc 3632
	cfengine 5308 bacula-dir 9101 bacula-fd 9102 bacula-sd 9103 amanda 10080 nrpe 5666 webmin 10000 dhcp-failover 647
	rpki-rtr 323 s7comm 102 modbus 502 bacnet 47808 dnp 20000 opcua-tcp 4840 ethernet-ip 44818
`)

// otherServices are names in use elsewhere, for suggestions.
var otherServices = map[string]string{
	"www": "http", "web": "http", "ssl": "https", "tls": "https", "nameserver": "domain", "mail": "smtp", "dhcp": "dhcp-server",
	"bootp": "bootps", "postgre": "postgresql", "ldapssl": "ldaps", "cifs": "smb", "samba": "smb", "mongo": "mongodb", "wg": "wireguard",
	"quic": "https", "pgsql": "postgresql", "netbios": "netbios-ssn", "rpcbind": "sunrpc", "portmap": "sunrpc", "auth": "ident",
}
