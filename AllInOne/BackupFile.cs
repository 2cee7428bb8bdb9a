using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using ConcertSaga.Shared.Hosting;
using Microsoft.Data.Sqlite;

namespace ConcertSaga.AllInOne;

/// <summary>
/// Implements the commands <c>backup FILE</c> and <c>restore FILE</c>. A backup is one zip file with the data folder at one moment, a
/// manifest and a checksum of each entry. A backup runs beside the serving process; a restore needs an empty folder.
/// </summary>
internal static class BackupFile
{
    public const string Backup = "backup", Restore = "restore";

    private const string ManifestEntry = "manifest.json";

    private const int Format = 1;

    private static readonly string[] Keys = [DataDirectory.KeyFile, DataDirectory.TicketKeyFile];

    private static readonly string[] Names = [.. DataDirectory.Databases, .. Keys];

    // An older version wrote the folder or the backup.
    private static readonly string[] OlderNames =
        [.. Names.Where(name => name is not (DataDirectory.Later or DataDirectory.TicketKeyFile))];

    /// <summary>Removes the file name from the arguments and returns its full path.</summary>
    public static string? TakeOperand(ref string[] args)
    {
        if (args is not [Backup or Restore, { Length: > 0 } operand, ..] || operand.StartsWith('-'))
            return null;
        args = [args[0], .. args[2..]];
        return Path.GetFullPath(operand);
    }

    /// <summary>Writes the folder's state into a file that does not exist yet.</summary>
    public static async Task WriteAsync(string? file, string[] args)
    {
        var (target, folder) = ResolvePaths(Backup, file, args);
        if (File.Exists(target) || Directory.Exists(target))
            throw new StartupException($"'{target}' exists; allowed: a file that does not exist yet.");
        if (Array.Find(OlderNames, name => !File.Exists(Path.Combine(folder, name))) is { } missing)
            throw new StartupException(
                $"DataDirectory is '{folder}', but {missing} is missing; allowed: the complete folder of an AllInOne that has run before.");

        var work = $"{target}.{Guid.CreateVersion7():n}.part";
        try
        {
            CreatePrivateFolder(work);
            var moment = TimeProvider.System.GetUtcNow();
            TimeSpan pause;
            string[] databases = [.. DataDirectory.Databases.Where(name => File.Exists(Path.Combine(folder, name)))];
            await using (var snapshot = await DatabaseSnapshot.TakeAsync(folder, databases))
            {
                pause = snapshot.Pause;
                foreach (var name in databases)
                    snapshot.Copy(name, Path.Combine(work, name));
            }
            string[] keys = [.. Keys.Where(name => File.Exists(Path.Combine(folder, name)))];
            foreach (var name in keys)
                File.Copy(Path.Combine(folder, name), Path.Combine(work, name));
            await PackAsync(work, [.. databases, .. keys], Path.Combine(work, "backup"), moment);
            File.Move(Path.Combine(work, "backup"), target);
            await Console.Out.WriteLineAsync(
                $"Backed up {folder} as of {moment:u} to {target} ({new FileInfo(target).Length} bytes); writers waited "
                    + $"{pause.TotalMilliseconds:0} ms.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or SqliteException)
        {
            throw new StartupException($"The backup to '{target}' failed: {exception.Message}");
        }
        finally
        {
            if (Directory.Exists(work))
                Directory.Delete(work, recursive: true);
        }
    }

    /// <summary>Restores a backup into an empty folder. If that fails, the folder stays as it was.</summary>
    public static async Task RestoreAsync(string? file, string[] args)
    {
        var (source, folder) = ResolvePaths(Restore, file, args);
        if (!File.Exists(source))
        {
            var problem = Directory.Exists(source) ? "is a folder" : "does not exist";
            throw new StartupException($"'{source}' {problem}; allowed: a file that the command {Backup} wrote.");
        }
        using var data = DataDirectory.Open(folder);
        if (Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName)
            .FirstOrDefault(name => name != DataDirectory.LockFile) is { } present)
            throw new StartupException(
                $"DataDirectory is '{folder}', which contains '{present}'; allowed: an empty folder, or one that does not exist.");
        try
        {
            var manifest = await UnpackAsync(source, folder);
            string[] names = [.. manifest.Entries.Select(entry => entry.Name)];
            // First, so that a restore that is killed leaves a folder that is known to be incomplete.
            data.RememberDatabases([.. DataDirectory.Databases.Intersect(names)]);
            foreach (var name in names)
                File.Move(Path.Combine(folder, name + ".part"), Path.Combine(folder, name));
            await Console.Out.WriteLineAsync($"Restored {source} as of {manifest.Moment:u} into {folder}.");
        }
        catch (Exception exception)
        {
            foreach (var leftover in Names.SelectMany(name => new[] { name, name + ".part" }))
                File.Delete(Path.Combine(folder, leftover));
            data.Discard();
            throw exception is InvalidDataException or JsonException or IOException or UnauthorizedAccessException
                ? new StartupException($"'{source}' cannot be restored: {exception.Message}") : exception;
        }
    }

    private static (string File, string Folder) ResolvePaths(string command, string? file, string[] args)
    {
        // TakeCommand has checked that each key is one of a setting.
        if (args.FirstOrDefault(argument => argument.StartsWith("--", StringComparison.Ordinal)
            && !argument.Split('=')[0].Equals("--DataDirectory", StringComparison.OrdinalIgnoreCase)) is { } other)
            throw new StartupException($"'{other.Split('=')[0]}' is not an option of {command}; allowed: --DataDirectory=FOLDER.");
        var configuration = EmbeddedSystem.ReadConfiguration(args);
        if (string.IsNullOrWhiteSpace(file))
            throw new StartupException($"The command {command} needs a file; allowed: {command} FILE --DataDirectory=FOLDER.");
        if (EmbeddedSystem.DatabasesIn(configuration).Length < DataDirectory.Databases.Length)
            throw new StartupException(
                $"The command {command} is for databases in the data folder; allowed: no Database:Provider and no ConnectionStrings. "
                    + $"Back up other servers with their own tools.");
        return (file, DataDirectory.Locate(configuration["DataDirectory"]));
    }

    private static async Task PackAsync(string folder, string[] names, string target, DateTimeOffset moment)
    {
        var entries = new List<Entry>();
        await using var zip = new ZipArchive(CreatePrivateFile(target), ZipArchiveMode.Create);
        foreach (var name in names)
        {
            await using var content = File.OpenRead(Path.Combine(folder, name));
            entries.Add(new Entry(name, content.Length, Convert.ToHexString(await SHA256.HashDataAsync(content))));
            content.Position = 0;
            await using var entry = await zip.CreateEntry(name, CompressionLevel.Fastest).OpenAsync();
            await content.CopyToAsync(entry);
        }
        await using var manifest = await zip.CreateEntry(ManifestEntry).OpenAsync();
        await JsonSerializer.SerializeAsync(manifest, new Manifest("ConcertSaga AllInOne", Format, moment, entries));
    }

    private static async Task<Manifest> UnpackAsync(string source, string folder)
    {
        await using var zip = await ZipFile.OpenReadAsync(source);
        var manifest = await ReadManifestAsync(zip);
        if (manifest.Format != Format)
            throw new InvalidDataException($"it has format {manifest.Format}, and this version reads format {Format}.");
        var names = manifest.Entries.Select(entry => entry.Name).Order().ToList();
        if (!names.SequenceEqual(Names.Where(name => OlderNames.Contains(name) || names.Contains(name)).Order()))
            throw new InvalidDataException("its manifest does not list the files of a data folder.");
        foreach (var expected in manifest.Entries)
        {
            var entry = zip.GetEntry(expected.Name) ?? throw new InvalidDataException($"{expected.Name} is missing.");
            await using var target = CreatePrivateFile(Path.Combine(folder, expected.Name + ".part"));
            await using (var content = await entry.OpenAsync())
                await content.CopyToAsync(target);
            target.Position = 0;
            if (target.Length != expected.Size || Convert.ToHexString(await SHA256.HashDataAsync(target)) != expected.Sha256)
                throw new InvalidDataException($"the checksum of {expected.Name} differs from the manifest.");
        }
        return manifest;
    }

    private static async Task<Manifest> ReadManifestAsync(ZipArchive zip)
    {
        if (zip.GetEntry(ManifestEntry) is not { } entry)
            throw new InvalidDataException("it is not a backup of AllInOne.");
        await using var content = await entry.OpenAsync();
        return await JsonSerializer.DeserializeAsync<Manifest>(content) is { Product: "ConcertSaga AllInOne", Entries: not null } manifest
            ? manifest : throw new InvalidDataException("it is not a backup of AllInOne.");
    }

    // The folder contains keys.
    private static void CreatePrivateFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(folder);
        else
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static FileStream CreatePrivateFile(string file)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(file, options);
    }

    private sealed record Manifest(string Product, int Format, DateTimeOffset Moment, List<Entry> Entries);

    private sealed record Entry(string Name, long Size, string Sha256);
}
