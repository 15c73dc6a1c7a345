#!/usr/bin/env python3
"""Lists the grants of a project or an organisation, as any node of an octroi network tells them.

No generated code: the node describes its own interface (gRPC server reflection), and messages are made from that description.
"""

import argparse
import json
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

PACKAGE = "octroi.v1"
DEADLINE_SECONDS = 30


class Reflection(ProtoReflectionDescriptorDatabase):
    """The description that a node gives of itself. octroi answers version 1 of the protocol, whose messages are those of v1alpha."""

    def __init__(self, channel):
        super().__init__(channel)
        self._stub.ServerReflectionInfo = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )


class Service:
    """A service of the node; its methods take and give messages."""

    def __init__(self, channel, name):
        self.channel = channel
        pool = descriptor_pool.DescriptorPool(Reflection(channel))
        self.descriptor = pool.FindServiceByName(f"{PACKAGE}.{name}")

    def request(self, method, fields=None):
        """An empty request of a method, or one with these fields."""
        message = message_factory.GetMessageClass(self.descriptor.methods_by_name[method].input_type)()
        return json_format.ParseDict(fields or {}, message)

    def call(self, method, request):
        """Asks and waits at most DEADLINE_SECONDS."""
        described = self.descriptor.methods_by_name[method]
        answer = message_factory.GetMessageClass(described.output_type)
        ask = self.channel.unary_unary(
            f"/{self.descriptor.full_name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return ask(request, timeout=DEADLINE_SECONDS)


def every_page(service, filter_, page_size):
    """Every page of ListGrants; the token of a page is pinned to its height, so the list neither skips nor repeats."""
    token = ""
    while True:
        request = service.request("ListGrants")
        for name, value in filter_.items():
            setattr(request.filter, name, value)
        request.page.page_size = page_size
        request.page.page_token = token
        answer = service.call("ListGrants", request)
        yield answer
        token = answer.page.next_page_token
        if not token:
            return


def date_of(date):
    """A date of which only the year may be known."""
    parts = [f"{date.year:04}"]
    if date.HasField("month"):
        parts.append(f"{date.month:02}")
        if date.HasField("day"):
            parts.append(f"{date.day:02}")
    return "-".join(parts)


def money(minor, currency):
    """Cents in words; every currency that octroi holds here has two decimals."""
    if not currency:
        return "no amount"
    units, cents = divmod(abs(minor), 100)
    sign = "-" if minor < 0 else ""
    return f"{sign}{units:,}".replace(",", " ") + f",{cents:02} {currency}"


def rows_of(answer):
    """Grants of this ledger, then grants that were declared beside it."""
    for view in answer.grants:
        yield {
            "origin": "granted",
            "id": view.id.hex(),
            "beneficiary": view.lead_name,
            "purpose": view.project_title,
            "date": "",
            "awarded_minor": view.grant.awarded.minor,
            "paid_minor": view.paid,
            "currency": view.currency,
            "status": view.grant.status,
        }
    for view in answer.past_grants:
        declaration = view.declaration
        yield {
            "origin": "declared",
            "id": view.id.hex(),
            "beneficiary": declaration.beneficiary.name,
            "purpose": declaration.purpose,
            "date": date_of(declaration.date),
            "awarded_minor": declaration.amount.minor if declaration.HasField("amount") else 0,
            "paid_minor": 0,
            "currency": declaration.amount.currency,
            "status": "withdrawn" if view.withdrawn else "declared",
        }


def connect(endpoint, authorities):
    """A channel in clear, or with TLS when certificates are given."""
    options = [("grpc.max_receive_message_length", 64 * 1024 * 1024)]
    if authorities is None:
        return grpc.insecure_channel(endpoint, options=options)
    with open(authorities, "rb") as file:
        return grpc.secure_channel(endpoint, grpc.ssl_channel_credentials(file.read()), options=options)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoint", help="a node, such as 127.0.0.1:27300")
    parser.add_argument("--project", help="id of a project, 64 hexadecimal digits")
    parser.add_argument("--organisation", help="id of a beneficiary, 64 hexadecimal digits")
    parser.add_argument("--fund", help="code of a fund")
    parser.add_argument("--year", type=int, help="year of the award")
    parser.add_argument("--page-size", type=int, default=500)
    parser.add_argument("--tls-ca", help="certificates that sign the node, PEM")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()

    filter_ = {}
    if arguments.project:
        filter_["project"] = bytes.fromhex(arguments.project)
    if arguments.organisation:
        filter_["beneficiary"] = bytes.fromhex(arguments.organisation)
    if arguments.fund:
        filter_["fund"] = arguments.fund
    if arguments.year:
        filter_["year"] = arguments.year

    count, last = 0, None
    try:
        service = Service(connect(arguments.endpoint, arguments.tls_ca), "FundingService")
        for last in every_page(service, filter_, arguments.page_size):
            for row in rows_of(last):
                count += 1
                if arguments.json:
                    print(json.dumps(row))
                else:
                    print(f"{row['origin']:9} {row['date']:10} {money(row['awarded_minor'], row['currency']):>18}  {row['status']:10} {row['beneficiary']}: {row['purpose']}")
    except grpc.RpcError as error:
        print(f"grants: {arguments.endpoint}: {error.code().name}: {error.details()}", file=sys.stderr)
        return 7 if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED) else 1
    except KeyError as error:
        print(f"grants: {arguments.endpoint}: the node does not describe {error}", file=sys.stderr)
        return 1
    print(f"{count} grants at height {last.at.height}", file=sys.stderr)
    for total in [*last.totals, *last.past_totals]:
        print(f"  {total.count} grants, awarded {money(total.awarded, total.currency)}, paid {money(total.paid, total.currency)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
