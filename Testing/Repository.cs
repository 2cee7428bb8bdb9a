namespace ConcertSaga.Testing;

/// <summary>Locates files in the checkout that the tests were built from.</summary>
public static class Repository
{
    private const string Solution = "ConcertSaga.sln";

    /// <summary>The folder of the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The build configuration of the tests: <c>Debug</c> or <c>Release</c>.</summary>
    public static string Configuration { get; } =
        AppContext.BaseDirectory.Split(Path.DirectorySeparatorChar).Contains("Release") ? "Release" : "Debug";

    /// <summary>Returns the path of a project's built program.</summary>
    /// <param name="project">The project's folder, such as <c>Services/Payments</c>.</param>
    public static string ProgramOf(string project)
    {
        var program = Path.Combine(Root, project, "bin", Configuration, "net10.0", $"ConcertSaga.{Path.GetFileName(project)}.dll");
        return File.Exists(program) ? program
            : throw new FileNotFoundException(
                $"{project} has not been built in {Configuration}: {program} is missing. Build the solution first.");
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, Solution)))
                return folder.FullName;
        }
        throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} contains {Solution}.");
    }
}
