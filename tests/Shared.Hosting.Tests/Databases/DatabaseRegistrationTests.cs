using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace ConcertSaga.Shared.Hosting.Tests.Databases;

public sealed class DatabaseRegistrationTests
{
    /// <summary>The defaults only add options that the connection string does not set.</summary>
    [Theory]
    [InlineData("Host=one", "Host=one;Max Auto Prepare=100;No Reset On Close=true")]
    [InlineData("Host=one;Max Auto Prepare=0", "Host=one;Max Auto Prepare=0;No Reset On Close=true")]
    [InlineData("Host=one;noresetonclose=false;Auto Prepare Min Usages=2",
        "Host=one;noresetonclose=false;Auto Prepare Min Usages=2;Max Auto Prepare=100")]
    public void ConnectionString_OfPostgreSql_GetsMissingDefaults(string given, string used)
    {
        var options = new DbContextOptionsBuilder();
        DatabaseRegistration.Use(options, DatabaseProvider.PostgreSql, given);

        Assert.Equal(used, RelationalOptionsExtension.Extract(options.Options).ConnectionString);
    }
}
