using ConcertSaga.Testing.Processes;
using Docker.DotNet;
using DotNet.Testcontainers.Configurations;
using Microsoft.Data.SqlClient;
using Testcontainers.MsSql;
using Xunit;

namespace ConcertSaga.Testing.Servers;

/// <summary>
/// A SQL Server for tests, started when the first test asks for it: the one of <c>CONCERT_TEST_MSSQL</c> (a connection string), or a
/// container. The image is large, so it is fetched only when <c>CONCERT_TEST_MSSQL_IMAGE</c> names it; otherwise it must be there already.
/// Where none is possible the asking test is skipped. Use it as an assembly fixture.
/// </summary>
public sealed class MsSqlServer : IAsyncDisposable
{
    private const string Setting = "CONCERT_TEST_MSSQL";
    private const string ImageSetting = "CONCERT_TEST_MSSQL_IMAGE";
    private const string DefaultImage = "mcr.microsoft.com/mssql/server:2022-latest";
    private const string Password = "Only-4-these-tests";

    private readonly SharedServer _server = new(ChooseAsync);

    /// <summary>Leads to a database that is not there yet; migrating it creates it.</summary>
    /// <param name="name">Its name, or its beginning: a unique end is added.</param>
    public async Task<string> NewDatabaseAsync(string name) =>
        new SqlConnectionStringBuilder((await _server.GetAsync()).ConnectionString) { InitialCatalog = $"{name}_{Guid.CreateVersion7():n}" }.ConnectionString;

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private static async Task<IServerInstance> ChooseAsync()
    {
        if (Environment.GetEnvironmentVariable(Setting) is { Length: > 0 } given)
            return new GivenServer(given, Setting);
        var named = Environment.GetEnvironmentVariable(ImageSetting);
        var image = named is { Length: > 0 } ? named : DefaultImage;
        Assert.SkipUnless(await ContainerServer.IsPossibleAsync(), $"No SQL Server: {Setting} is not set, and no Docker API answers.");
        Assert.SkipUnless(named is { Length: > 0 } || await IsHereAsync(image),
            $"No SQL Server: {Setting} is not set, and Docker has no {image}; pull it, or name an image to pull in {ImageSetting}.");

        var port = LoopbackPort.Free();
        var container = new MsSqlBuilder(image).WithPassword(Password).WithPortBinding(port, MsSqlBuilder.MsSqlPort).Build();
        var address = new SqlConnectionStringBuilder
        {
            DataSource = $"127.0.0.1,{port}",
            UserID = "sa",
            Password = Password,
            TrustServerCertificate = true
        }.ConnectionString;
        return new ContainerServer(container, address, () => AnswersAsync(address));
    }

    private static async Task<bool> IsHereAsync(string image)
    {
        using var docker = TestcontainersSettings.OS.DockerEndpointAuthConfig.GetDockerClientBuilder(Guid.Empty).Build();
        try
        {
            await docker.Images.InspectImageAsync(image);
            return true;
        }
        catch (DockerApiException)
        {
            return false;
        }
    }

    private static async Task<bool> AnswersAsync(string address)
    {
        await using var connection = new SqlConnection(address + ";Pooling=false;Connect Timeout=3");
        await connection.OpenAsync();
        return true;
    }
}
