using ConcertSaga.Shared.Hosting.Operators;

namespace ConcertSaga.Shared.Hosting.Tests.Operators;

public sealed class CsvExportTests
{
    [Theory]
    [InlineData(null, "")]
    [InlineData("plain", "plain")]
    [InlineData("a,b", "\"a,b\"")]
    [InlineData("say \"hi\"", "\"say \"\"hi\"\"\"")]
    [InlineData("two\nlines", "\"two\nlines\"")]
    [InlineData("=1+1", "'=1+1")]
    [InlineData("+82", "'+82")]
    [InlineData("-1", "'-1")]
    [InlineData("@SUM(A1)", "'@SUM(A1)")]
    [InlineData("\tx", "'\tx")]
    [InlineData("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"")]
    [InlineData(-7, "-7")]
    [InlineData(new[] { 7, 8 }, "7 8")]
    public void Cell_OfAnyValue_IsQuotedAndNeverAFormula(object? value, string expected) => Assert.Equal(expected, CsvExport.Cell(value));

    [Fact]
    public void Cell_OfAnInstant_IsInUtc() =>
        Assert.Equal("2030-05-01T10:00:00.0000000Z", CsvExport.Cell(new DateTimeOffset(2030, 5, 1, 12, 0, 0, TimeSpan.FromHours(2))));
}
