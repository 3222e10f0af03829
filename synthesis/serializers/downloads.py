"""What the API tells of packages, and what it takes in."""

from __future__ import annotations

from rest_framework import serializers

from synthesis.models import DownloadGrant


class FileSerializer(serializers.Serializer):
    name = serializers.CharField()
    sha256 = serializers.CharField()
    bytes = serializers.IntegerField(required=False)
    about = serializers.CharField()


class ReceiptSerializer(serializers.Serializer):
    file_name = serializers.CharField()
    file_hash = serializers.CharField()
    licence_version = serializers.CharField()
    at = serializers.DateTimeField()


class PackageSerializer(serializers.Serializer):
    """What was granted to whoever asks: terms, files and receipts."""

    request = serializers.UUIDField()
    expires_at = serializers.DateTimeField()
    accepted = serializers.BooleanField(help_text="Whether the terms in force were accepted")
    licence_version = serializers.CharField()
    licence = serializers.CharField()
    files = FileSerializer(many=True)
    receipts = ReceiptSerializer(many=True)


class LicenceSerializer(serializers.Serializer):
    version = serializers.CharField(max_length=20, help_text="The version of the terms that were read")


class LinkWishSerializer(serializers.Serializer):
    file = serializers.CharField(max_length=100)


class LinkSerializer(serializers.Serializer):
    url = serializers.CharField(help_text="Works once, for whoever made it, for ten minutes")
    sha256 = serializers.CharField()


class AccessSerializer(serializers.ModelSerializer):
    """Somebody's grant for a package made from a dataset, and what they took of it so far."""

    user = serializers.CharField(source="user.username")
    request = serializers.UUIDField(source="package.run.request_id")
    title = serializers.CharField(source="package.run.request.title")
    downloads = serializers.IntegerField()
    last_download = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = DownloadGrant
        fields = (
            "id", "user", "request", "title", "issued_at", "expires_at", "revoked_at", "downloads", "last_download",
        )  # fmt: skip
        read_only_fields = fields
