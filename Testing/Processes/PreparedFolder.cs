namespace ConcertSaga.Testing.Processes;

/// <summary>
/// The data folder of AllInOne after its first start, which creates all databases. Tests start on copies of it, which is faster. The first
/// copy prepares it. Use it as a class fixture.
/// </summary>
public sealed class PreparedFolder : IAsyncDisposable
{
    private readonly Lazy<Task<string>> _path = new(PrepareAsync);

    /// <summary>Copies the folder.</summary>
    /// <param name="target">The copy, which need not exist.</param>
    public async Task CopyAsync(string target)
    {
        var source = await _path.Value;
        foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(target, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (_path is { IsValueCreated: true, Value.IsCompletedSuccessfully: true })
            Directory.Delete(await _path.Value, recursive: true);
    }

    private static async Task<string> PrepareAsync()
    {
        var path = Directory.CreateTempSubdirectory("concertsaga-test-").FullName;
        await using var process = await ServiceProcess.StartAsync("AllInOne", [$"--DataDirectory={path}"]);
        return await process.StopAsync() is var code and not 0
            ? throw new InvalidOperationException($"AllInOne ended with {code}:\n{process.Output}") : path;
    }
}
