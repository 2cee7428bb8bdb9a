using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.AspNetCore.Builder;
using Microsoft.Data.Sqlite;

namespace ConcertSaga.AllInOne.Tests;

/// <summary>A wrong file in the data folder stops the start with one line, which says what the file is and what to do.</summary>
public sealed class DataFolderTests : IDisposable
{
    private static readonly string[] Owners = ["Orchestrator", "Queue", "Seats", "Points", "Payments", "DataPlatform", "Operations"];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("concertsaga-test-");

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Database_OfAnotherService_IsNamed()
    {
        await MigrateAsync();
        foreach (var (file, other) in DataDirectory.Databases.Zip(DataDirectory.Databases.Skip(1).Append(DataDirectory.Databases[0])))
        {
            var (target, kept) = (Full(file), Full("kept"));
            File.Move(target, kept);
            File.Copy(Full(other), target);

            await CheckRefusedAsync($"Database {OwnerOf(file)} is {target}, which is the database of {OwnerOf(other)};",
                "restore a backup");

            File.Move(kept, target, overwrite: true);
        }
        await MigrateAsync();
    }

    [Theory]
    [InlineData("CREATE TABLE Notes (Id INTEGER)", "which has tables of another program;")]
    [InlineData("CREATE TABLE \"__EFMigrationsHistory\" (\"MigrationId\" TEXT, \"ProductVersion\" TEXT); "
        + "INSERT INTO \"__EFMigrationsHistory\" VALUES ('20200101000000_Shop', '9')",
        "which is the database of another service or program;")]
    public async Task Database_OfAnotherProgram_IsRefused(string sql, string says)
    {
        await MigrateAsync();
        File.Delete(Full("points.db"));
        Execute("points.db", sql);

        await CheckRefusedAsync(says, "allowed: the database of Points, or an empty one");
    }

    [Theory]
    [InlineData("29990101000000_Later", "of a newer version")]
    [InlineData("20200101000000_Branch", "of another version")]
    public async Task Database_OfAnotherVersion_IsRefused(string migration, string says)
    {
        await MigrateAsync();
        Execute("points.db", $"INSERT INTO \"__EFMigrationsHistory\" VALUES ('{migration}', '10')");

        var failure = await Assert.ThrowsAsync<StartupException>(async () =>
        {
            await using var app = Build();
            await app.Services.RefuseNewerAsync(TestContext.Current.CancellationToken);
        });
        Assert.Contains(says, failure.Message, StringComparison.Ordinal);
        // Replicas of two versions run side by side during an upgrade.
        await MigrateAsync();
    }

    [Fact]
    public async Task Database_EmptyOrAbsent_IsCreated()
    {
        await File.WriteAllBytesAsync(Full("points.db"), [], TestContext.Current.CancellationToken);
        await MigrateAsync();
        await MigrateAsync();
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData(" \n", "is empty")]
    [InlineData("nonsense!", "is not base64")]
    [InlineData("c2hvcnQ=", "has only 5 bytes")]
    [InlineData(null, "is a folder")]
    public void DemoKey_Invalid_IsNamedWithWhatToDo(string? content, string says)
    {
        var file = Full(DataDirectory.KeyFile);
        if (content is null)
            Directory.CreateDirectory(file);
        else
            File.WriteAllText(file, content);
        using var data = DataDirectory.Open(_folder.FullName);

        var failure = Assert.Throws<StartupException>(data.ReadDemoKey);

        Assert.Contains($"'{file}', {says}; allowed: ", failure.Message, StringComparison.Ordinal);
        Assert.Contains("delete it", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }

    [Fact]
    public void DemoKey_Created_IsReadAgain()
    {
        using var data = DataDirectory.Open(_folder.FullName);
        var key = data.ReadDemoKey();
        Assert.Equal(32, Convert.FromBase64String(key).Length);
        Assert.Equal(key, data.ReadDemoKey());
        // An editor adds a line break.
        File.AppendAllText(Full(DataDirectory.KeyFile), "\n");
        Assert.Equal(key, data.ReadDemoKey().Trim());
    }

    private static string OwnerOf(string file) =>
        Owners.Single(owner => $"{owner}.db".Equals(file, StringComparison.OrdinalIgnoreCase));

    private string Full(string file) => Path.Combine(_folder.FullName, file);

    private WebApplication Build() => EmbeddedSystem.CreateServicesBuilder(["--Logging:Console:LogLevel:Default=None"], _folder.FullName,
        "the secret of a test, never of a product", new RoomDirectory(TimeProvider.System), new SeatChangeFeed(), []).Build();

    private async Task MigrateAsync()
    {
        await using (var app = Build())
            await app.Services.MigrateAsync(TestContext.Current.CancellationToken);
        // Closing the last connection writes all commits into the file.
        SqliteConnection.ClearAllPools();
    }

    private async Task CheckRefusedAsync(params string[] says)
    {
        foreach (var start in new Func<IServiceProvider, CancellationToken, Task>[]
        {
            DatabaseRegistration.RefuseNewerAsync, DatabaseRegistration.MigrateAsync
        })
        {
            await using var app = Build();
            var failure = await Assert.ThrowsAsync<StartupException>(() => start(app.Services, TestContext.Current.CancellationToken));
            Assert.All(says, text => Assert.Contains(text, failure.Message, StringComparison.Ordinal));
            Assert.DoesNotContain("newer", failure.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', failure.Message);
            SqliteConnection.ClearAllPools();
        }
    }

    private void Execute(string file, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={Full(file)};Pooling=false");
        connection.Open();
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Constants of this test.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }
}
