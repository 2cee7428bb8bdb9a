using ConcertSaga.Testing.Processes;

namespace ConcertSaga.AllInOne.Tests;

/// <summary>Folders and backups of versions without a database still work.</summary>
public sealed class BackupFileTests(PreparedFolder prepared) : IClassFixture<PreparedFolder>
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Folder_OfAnOlderVersion_StartsAndCanBeBackedUp(bool hasManifest)
    {
        using var folder = new Folder();
        var data = Path.Combine(folder.Path, "data");
        await prepared.CopyAsync(data);
        AsBefore(data, hasManifest);
        var file = Path.Combine(folder.Path, "backup.zip");
        await CheckAsync("backup", file, data);
        await RunAndStopAsync(data);
        Assert.True(File.Exists(Path.Combine(data, DataDirectory.Later)));

        // The backup was written before that start, so it lacks the database too.
        var restored = Path.Combine(folder.Path, "restored");
        await CheckAsync("restore", file, restored);
        Assert.False(File.Exists(Path.Combine(restored, DataDirectory.Later)));
        await RunAndStopAsync(restored);
        Assert.True(File.Exists(Path.Combine(restored, DataDirectory.Later)));
    }

    [Fact]
    public async Task Folder_ThatHasLostTheNewDatabase_IsRefused()
    {
        using var folder = new Folder();
        await prepared.CopyAsync(folder.Path);
        File.Delete(Path.Combine(folder.Path, DataDirectory.Later));

        var (code, output) = await ServiceProcess.RunAsync("AllInOne", [$"--DataDirectory={folder.Path}"]);

        Assert.Equal(1, code);
        Assert.Contains($"{DataDirectory.Later} is missing", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backup_OfAFolder_KeepsTheKeysOfTickets()
    {
        using var folder = new Folder();
        var (data, file, restored) = (Path.Combine(folder.Path, "data"), Path.Combine(folder.Path, "backup.zip"),
            Path.Combine(folder.Path, "restored"));
        await prepared.CopyAsync(data);

        await CheckAsync("backup", file, data);
        await CheckAsync("restore", file, restored);
        await RunAndStopAsync(restored);

        Assert.Equal(await File.ReadAllTextAsync(Path.Combine(data, DataDirectory.TicketKeyFile)),
            await File.ReadAllTextAsync(Path.Combine(restored, DataDirectory.TicketKeyFile)));
    }

    private static async Task RunAndStopAsync(string data)
    {
        await using var process = await ServiceProcess.StartAsync("AllInOne", [$"--DataDirectory={data}"]);
        Assert.Equal(0, await process.StopAsync());
    }

    private static async Task CheckAsync(string command, string file, string data)
    {
        var (code, output) = await ServiceProcess.RunAsync("AllInOne", [command, file, $"--DataDirectory={data}"]);
        Assert.True(code == 0, output);
    }

    private static void AsBefore(string data, bool hasManifest)
    {
        foreach (var file in Directory.EnumerateFiles(data, DataDirectory.Later + "*"))
            File.Delete(file);
        File.Delete(Path.Combine(data, DataDirectory.TicketKeyFile));
        var manifest = Path.Combine(data, "databases");
        if (hasManifest)
            File.WriteAllLines(manifest, DataDirectory.Databases.Where(name => name != DataDirectory.Later));
        else
            File.Delete(manifest);
    }

    private sealed class Folder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("concertsaga-test-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
