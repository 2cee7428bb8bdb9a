using System.Security.Cryptography;
using ConcertSaga.Orchestrator.Tickets;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.AllInOne;

/// <summary>
/// Holds the folder with all state and locks it against a second process. The operating system frees the lock when the process ends.
/// </summary>
public sealed class DataDirectory : IDisposable
{
    /// <summary>
    /// The databases in the order in which a backup blocks their writers. The busiest comes first, so the others wait only briefly.
    /// </summary>
    internal static readonly string[] Databases =
        ["orchestrator.db", "queue.db", "seats.db", "points.db", "payments.db", "dataplatform.db", Later];

    /// <summary>A database that folders and backups of older versions lack. Their first start creates it.</summary>
    internal const string Later = "operations.db";

    /// <summary>The file with the key of demo tokens.</summary>
    internal const string KeyFile = "demo.key";

    /// <summary>The file with the keys of tickets, which folders and backups of older versions lack.</summary>
    internal const string TicketKeyFile = "tickets.pem";

    /// <summary>The file that the process using the folder keeps locked.</summary>
    internal const string LockFile = "lock";

    // Lists the databases that were created, one per line.
    private const string ManifestFile = "databases";

    // The gateway accepts no shorter key.
    private const int DemoKeyBytes = 32;

    private readonly FileStream _lock;
    private readonly bool _isNew;

    private DataDirectory(string path, bool isNew, FileStream @lock)
    {
        Path = path;
        _isNew = isNew;
        _lock = @lock;
    }

    public string Path { get; }

    /// <summary>The folder with the keys of the session cookies, so sessions survive a restart.</summary>
    public string KeyFolder => System.IO.Path.Combine(Path, "keys");

    /// <summary>
    /// Opens and locks the configured folder. The default is <c>.data</c> beside the solution, or in the current folder if there is none.
    /// </summary>
    public static DataDirectory Open(string? configured)
    {
        var path = Locate(configured);
        try
        {
            if (File.Exists(path))
                throw new StartupException($"DataDirectory is '{path}', which is a file; allowed: a folder, which need not exist.");
            var isNew = !Directory.Exists(path);
            Directory.CreateDirectory(path);
            return new DataDirectory(path, isNew, new FileStream(System.IO.Path.Combine(path, LockFile), FileMode.OpenOrCreate,
                FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException exception) when (File.Exists(System.IO.Path.Combine(path, LockFile)) && exception is not FileNotFoundException)
        {
            throw new StartupException(
                $"DataDirectory is '{path}', which another process is using; allowed: a folder of its own for each process.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"DataDirectory is '{path}', which cannot be used: {exception.Message}");
        }
    }

    /// <summary>The full path of the configured folder, which may not exist.</summary>
    internal static string Locate(string? configured) =>
        System.IO.Path.GetFullPath(configured is { Length: > 0 } ? configured : System.IO.Path.Combine(SolutionFolder(), ".data"));

    /// <summary>
    /// Rejects a folder that has lost a database. An empty replacement would reset balances or free sold seats, while the other databases
    /// still refer to the lost rows.
    /// </summary>
    public void RefuseIncomplete(IReadOnlyCollection<string> expected)
    {
        var manifest = System.IO.Path.Combine(Path, ManifestFile);
        // A first start that is killed leaves an empty list, so that it can be repeated.
        if (!Directory.EnumerateFiles(Path).Any(file => System.IO.Path.GetFileName(file) != LockFile))
            RememberDatabases([]);
        // Folders of older versions have no manifest. Such a folder was complete if it has a key.
        string[] created = File.Exists(manifest) ? File.ReadAllLines(manifest)
            : File.Exists(System.IO.Path.Combine(Path, KeyFile)) ? [.. Databases.Where(name => name != Later)] : [];
        foreach (var name in created.Intersect(expected))
        {
            if (ProblemOf(System.IO.Path.Combine(Path, name)) is { } problem)
                throw new StartupException(
                    $"DataDirectory is '{Path}', but {name} {problem}; allowed: a complete folder. Restore a backup into another "
                        + $"folder, or delete this folder to start without data.");
        }
    }

    /// <summary>Records which databases the folder contains.</summary>
    public void RememberDatabases(IReadOnlyCollection<string> created)
    {
        var manifest = System.IO.Path.Combine(Path, ManifestFile);
        File.WriteAllLines(manifest + ".part", created);
        File.Move(manifest + ".part", manifest, overwrite: true);
    }

    private static string? ProblemOf(string file)
    {
        if (!File.Exists(file))
            return "is missing";
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var head = new byte[16];
        return stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) == head.Length
            && head.AsSpan().SequenceEqual("SQLite format 3\0"u8)
            ? null : "is not a database";
    }

    /// <summary>Reads the key of demo tokens, or creates it. It is kept in the folder, so demo tokens survive a restart.</summary>
    public string ReadDemoKey()
    {
        var file = System.IO.Path.Combine(Path, KeyFile);
        try
        {
            if (!System.IO.Path.Exists(file))
                CreateDemoKey(file);
            var text = File.ReadAllText(file);
            return KeyProblemOf(text) is { } problem ? throw InvalidKey(problem) : text;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw InvalidKey(Directory.Exists(file) ? "is a folder" : "cannot be read");
        }

        StartupException InvalidKey(string problem) => new(
            $"The key of the demo tokens, '{file}', {problem}; allowed: a readable file with {DemoKeyBytes} bytes in base64. Restore it "
                + "from a backup, or delete it: AllInOne creates a new one, and customers sign in again.");
    }

    /// <summary>The file with the keys of tickets, created if the folder has none. Tickets must stay valid after a restart.</summary>
    public string EnsureTicketKeys()
    {
        var file = System.IO.Path.Combine(Path, TicketKeyFile);
        try
        {
            TicketKeys.CreateFile(file);
            return file;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"The keys of tickets, '{file}', cannot be created: {exception.Message}");
        }
    }

    private static string? KeyProblemOf(string text)
    {
        if (string.IsNullOrWhiteSpace(text))
            return "is empty";
        var key = new byte[text.Length];
        return !Convert.TryFromBase64String(text, key, out var length) ? "is not base64"
            : length < DemoKeyBytes ? $"has only {length} bytes" : null;
    }

    // A start that is killed meanwhile must not leave half a key.
    private static void CreateDemoKey(string file)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var stream = new FileStream(file + ".part", options))
            stream.Write(System.Text.Encoding.ASCII.GetBytes(Convert.ToBase64String(RandomNumberGenerator.GetBytes(DemoKeyBytes))));
        File.Move(file + ".part", file);
    }

    /// <summary>Releases the lock of a folder that was empty, and removes what this class has written.</summary>
    public void Discard()
    {
        Dispose();
        foreach (var file in new[] { LockFile, ManifestFile, ManifestFile + ".part" })
            File.Delete(System.IO.Path.Combine(Path, file));
        if (_isNew)
            Directory.Delete(Path);
    }

    public void Dispose() => _lock.Dispose();

    /// <summary>The folder of the solution this assembly was built from, or the current folder if there is none.</summary>
    internal static string SolutionFolder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "ConcertSaga.sln")))
                return folder.FullName;
        }
        return Directory.GetCurrentDirectory();
    }
}
