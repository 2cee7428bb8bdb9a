using System.Security.Cryptography;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.AllInOne;

/// <summary>The folder all state is in, locked against a second process for as long as this one lives, however it ends.</summary>
public sealed class DataDirectory : IDisposable
{
    private readonly FileStream _lock;

    private DataDirectory(string path, FileStream @lock) => (Path, _lock) = (path, @lock);

    public string Path { get; }

    /// <summary>Takes the configured folder, or <c>.data</c> beside the solution, or where there is none, in the current folder.</summary>
    public static DataDirectory Take(string? configured)
    {
        var path = System.IO.Path.GetFullPath(configured is { Length: > 0 } ? configured : System.IO.Path.Combine(SolutionFolder(), ".data"));
        try
        {
            Directory.CreateDirectory(path);
            return new DataDirectory(path, new FileStream(System.IO.Path.Combine(path, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException exception) when (File.Exists(System.IO.Path.Combine(path, "lock")) && exception is not FileNotFoundException)
        {
            throw new StartupException($"DataDirectory is '{path}', which another process is using; allowed: a folder of its own for each process.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"DataDirectory is '{path}', which cannot be used: {exception.Message}");
        }
    }

    /// <summary>A key kept in the folder, so that demo tokens outlive a restart.</summary>
    public string DemoKey()
    {
        var file = System.IO.Path.Combine(Path, "demo.key");
        if (!File.Exists(file))
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using var stream = new FileStream(file, options);
            stream.Write(System.Text.Encoding.ASCII.GetBytes(Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))));
        }
        return File.ReadAllText(file);
    }

    public void Dispose() => _lock.Dispose();

    /// <summary>The folder of the solution this was built from, or where there is none, the current one.</summary>
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
