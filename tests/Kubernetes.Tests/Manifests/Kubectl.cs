using System.Diagnostics;
using System.Text.RegularExpressions;
using ConcertSaga.Testing;

namespace ConcertSaga.Kubernetes.Tests.Manifests;

/// <summary>Runs a <c>kubectl</c> whose Kustomize is version 5 or newer; that of Debian 12 knows no components.</summary>
internal static partial class Kubectl
{
    private static readonly Lazy<string?> Program = new(Find);

    /// <summary>Builds a folder of <c>k8s</c>. Without such a program, the test is skipped.</summary>
    public static string Build(string folder)
    {
        if (Program.Value is not { } program)
        {
            Assert.Skip("There is no kubectl with Kustomize 5. test.sh installs one; CONCERT_TEST_KUBECTL can name one.");
            return "";
        }
        var (code, output, error) = Run(program, "kustomize", Path.Combine(Repository.Root, "k8s", folder));
        Assert.True(code == 0, $"{folder} cannot be built: {error}");
        // Warnings of deprecated fields would become errors with a later version.
        Assert.Equal("", error);
        return output;
    }

    /// <summary>Runs a program to its end.</summary>
    public static (int Code, string Output, string Error) Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true
        })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.GetAwaiter().GetResult());
    }

    /// <summary>Finds a program by its name in the search path.</summary>
    public static string? InPath(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    private static string? Find() =>
        new[] { Environment.GetEnvironmentVariable("CONCERT_TEST_KUBECTL"), Path.Combine(Repository.Root, "artifacts/kubectl/kubectl"),
            InPath("kubectl") }
            .FirstOrDefault(program => program is { Length: > 0 } && File.Exists(program) && IsCurrent(program));

    private static bool IsCurrent(string program) => KustomizeVersion().IsMatch(Run(program, "version", "--client").Output);

    [GeneratedRegex(@"Kustomize Version: v(?:[5-9]|\d\d)\.")]
    private static partial Regex KustomizeVersion();
}
