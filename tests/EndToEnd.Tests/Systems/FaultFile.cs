using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>The file of <c>Faults:File</c> that the processes of one system share.</summary>
internal sealed class FaultFile : IDisposable
{
    private const string None = "{}";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("concertsaga-e2e-faults-");
    private string _text = None;

    /// <summary>The path of the file.</summary>
    public string Path => System.IO.Path.Combine(_folder.FullName, "faults.json");

    /// <summary>Writes the file and waits until each process has logged the change.</summary>
    public async Task WriteAsync(string text, params ServiceProcess[] readers)
    {
        if (text == _text)
            return;
        int[] before = [.. readers.Select(CountChanges)];
        var next = Path + ".next";
        await File.WriteAllTextAsync(next, text);
        File.Move(next, Path, overwrite: true);
        _text = text;
        await Eventually.TrueAsync(() => readers.Zip(before).All(pair => CountChanges(pair.First) > pair.Second), TimeSpan.FromSeconds(60),
            $"the faults are {text}", Eventually.LongPause);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static int CountChanges(ServiceProcess process) =>
        process.Output.AsSpan().Count("the faults are now:");
}
