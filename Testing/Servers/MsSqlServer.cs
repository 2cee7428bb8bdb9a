using ConcertSaga.Testing.Processes;
using Docker.DotNet;
using DotNet.Testcontainers.Configurations;
using Microsoft.Data.SqlClient;
using Testcontainers.MsSql;

namespace ConcertSaga.Testing.Servers;

/// <summary>
/// Provides a SQL Server for tests, on first use: the one of <c>CONCERT_TEST_MSSQL</c> (a connection string), or a container. Because the
/// image is large, it is pulled only if <c>CONCERT_TEST_MSSQL_IMAGE</c> names it; otherwise it must exist. Without a server, the test is
/// skipped. Use it as an assembly fixture.
/// </summary>
public sealed class MsSqlServer : SharedServer
{
    private const string Setting = "CONCERT_TEST_MSSQL";
    private const string ImageSetting = "CONCERT_TEST_MSSQL_IMAGE";
    private const string DefaultImage = "mcr.microsoft.com/mssql/server:2022-latest";
    private const string Password = "Only-4-these-tests";

    /// <summary>Returns the connection string of a new database, which its migration creates.</summary>
    /// <param name="name">The prefix of its name.</param>
    public async Task<string> NewDatabaseAsync(string name) =>
        new SqlConnectionStringBuilder(await ConnectionStringAsync())
        {
            InitialCatalog = $"{name}_{Guid.CreateVersion7():n}"
        }.ConnectionString;

    private protected override async Task<IServerInstance> ChooseAsync()
    {
        if (Environment.GetEnvironmentVariable(Setting) is { Length: > 0 } given)
            return new GivenServer(given, Setting);
        var named = Environment.GetEnvironmentVariable(ImageSetting);
        var image = named is { Length: > 0 } ? named : DefaultImage;
        if (!await ContainerServer.IsPossibleAsync())
            throw new MissingServerException($"No SQL Server: {Setting} is not set, and no Docker API answers.");
        if (named is not { Length: > 0 } && !await IsHereAsync(image))
        {
            throw new MissingServerException(
                $"No SQL Server: {Setting} is not set, and Docker has no {image}. Pull it, or name an image to pull in {ImageSetting}.");
        }

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
