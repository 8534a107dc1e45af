# Generated from ftctl/_async by `make sync`; do not edit.
"""What one asks of a daemon's data sets, and how they get there."""

from finetuned.v1 import dataset_service_pb2 as pb
from ftctl import datasetwire
from ftctl._sync import pushing
from ftctl._sync.connection import Connection
from ftctl.datasets import Dataset, OnProgress, PushProgress
from ftctl.tables import Datasets
from ftctl.upload.source import Source

PAGE_SIZE = 1000


class SyncDatasets:
    """The part of a client that is about data sets."""

    _connection: Connection

    def push_dataset(
        self, name: str, source: Source, *, on_progress: OnProgress | None = None
    ) -> Dataset:
        """Push the files of a folder or a tar archive; return the data set that they make.

        Only files that the daemon lacks are sent, whatever data set it has them from. Where the
        connection is cut it goes on by itself, from what has arrived. A data set of this name is
        replaced; jobs submitted before keep theirs. Hidden files are left out, links to files
        within are followed. Of an archive a folder that holds all else is left out of the paths,
        unless it is a split (`train`, `val`, `test`).

        Args:
            name: 1 to 63 of a-z, 0-9 and -.
            source: The folder, or a .tar, .tar.gz, .tar.bz2 or .tar.xz.
            on_progress: Is told how far it is.

        Raises:
            InvalidDataset: with all files that cannot be pushed; nothing was sent.
            BadInput: where the source cannot be read, or changes meanwhile.
            DiskFull: where the daemon has no room.
            PushInterrupted: where the daemon stays away. What has arrived stays.
        """
        tell = on_progress or _heedless
        return pushing.push(self._connection, name, source, tell)

    def datasets(self) -> Datasets:
        """Return the data sets by name: one's own, or everybody's for an admin."""
        request = pb.ListDatasetsRequest(page_size=PAGE_SIZE)
        found: list[Dataset] = []
        while True:
            page = self._connection.ask(self._connection.datasets.ListDatasets, request)
            found += [datasetwire.dataset(item) for item in page.datasets]
            if not page.next_page_token:
                return Datasets(found)
            request.page_token = page.next_page_token

    def dataset(self, name: str) -> Dataset:
        """Return a data set with its folders, and who uses it. Raises DatasetNotFound."""
        request = pb.GetDatasetRequest(dataset=name)
        response = self._connection.ask(self._connection.datasets.GetDataset, request)
        return datasetwire.dataset(response.dataset)

    def delete_dataset(self, name: str) -> None:
        """Delete a data set. Raises DatasetNotFound, DatasetInUse."""
        request = pb.DeleteDatasetRequest(dataset=name)
        self._connection.ask(self._connection.datasets.DeleteDataset, request)


def _heedless(progress: PushProgress) -> None:
    """Take progress in that nobody asked for."""
