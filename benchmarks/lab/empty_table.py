"""The table that kube-proxy 1.36 makes before it has seen any Service: its chains, and its maps and sets, empty.

Recorded from a real one in tests/data/kubernetes. Address ranges are the recorded cluster's; the lab's network
keeps within them, and `nodeport-ips` holds the address of its only node. nft 1.0.6 takes the priority of a nat
hook on output only as a number.
"""

from __future__ import annotations

from typing import Final

TABLE: Final = "ip kube-proxy"

EMPTY_TABLE: Final = f"""\
table {TABLE} {{
    comment "rules for kube-proxy"

    set hairpin-connections {{
        type ipv4_addr . ipv4_addr . inet_proto . inet_service
        comment "service hairpin connections"
    }}
    set cluster-ips {{
        type ipv4_addr
        comment "Active ClusterIPs"
    }}
    set nodeport-ips {{
        type ipv4_addr
        comment "IPs that accept NodePort traffic"
        elements = {{ 10.250.0.2 }}
    }}
    map no-endpoint-services {{
        type ipv4_addr . inet_proto . inet_service : verdict
        comment "vmap to drop or reject packets to services with no endpoints"
    }}
    map no-endpoint-nodeports {{
        type inet_proto . inet_service : verdict
        comment "vmap to drop or reject packets to service nodeports with no endpoints"
    }}
    map firewall-ips {{
        type ipv4_addr . inet_proto . inet_service : verdict
        comment "destinations that are subject to LoadBalancerSourceRanges"
    }}
    map service-ips {{
        type ipv4_addr . inet_proto . inet_service : verdict
        comment "ClusterIP, ExternalIP and LoadBalancer IP traffic"
    }}
    map service-nodeports {{
        type inet_proto . inet_service : verdict
        comment "NodePort traffic"
    }}

    chain nodeport-endpoints-check {{
        ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
    }}
    chain service-endpoints-check {{
        ip daddr . meta l4proto . th dport vmap @no-endpoint-services
    }}
    chain firewall-check {{
        ip daddr . meta l4proto . th dport vmap @firewall-ips
    }}
    chain services {{
        ip daddr @cluster-ips ip saddr != 10.64.0.0/10 meta mark set meta mark | 0x4000 \
comment "masquerade clusterIP traffic from outside cluster"
        ip daddr . meta l4proto . th dport vmap @service-ips
        ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
    }}
    chain masquerading {{
        meta mark & 0x4000 != 0 meta mark set meta mark ^ 0x4000 masquerade fully-random
        ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random
    }}
    chain cluster-ips-check {{
        ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
        ip daddr 10.96.0.0/16 drop comment "Drop traffic to unallocated ClusterIPs"
    }}
    chain reject-chain {{
        comment "helper for @no-endpoint-services / @no-endpoint-nodeports"
        reject
    }}

    chain filter-prerouting-pre-dnat {{
        type filter hook prerouting priority -110; policy accept;
        ct state new jump firewall-check
    }}
    chain filter-output-pre-dnat {{
        type filter hook output priority -110; policy accept;
        ct state new jump firewall-check
    }}
    chain filter-input {{
        type filter hook input priority 0; policy accept;
        ct state new jump nodeport-endpoints-check
        ct state new jump service-endpoints-check
    }}
    chain filter-forward {{
        type filter hook forward priority 0; policy accept;
        ct state new jump service-endpoints-check
        ct state new jump cluster-ips-check
    }}
    chain filter-output {{
        type filter hook output priority 0; policy accept;
        ct state new jump service-endpoints-check
        ct state new jump cluster-ips-check
    }}
    chain nat-prerouting {{
        type nat hook prerouting priority -100; policy accept;
        jump services
    }}
    chain nat-output {{
        type nat hook output priority -100; policy accept;
        jump services
    }}
    chain nat-postrouting {{
        type nat hook postrouting priority 100; policy accept;
        jump masquerading
    }}
}}
"""
